// What the toolkit must compile and link (cuda_home.py --check): a kernel with cub, FlashInfer's top-p renormalisation, a call of the driver.
#include <cub/cub.cuh>
#include <cuda.h>
#include <cuda/std/limits>
#include <cuda_bf16.h>
#include <flashinfer/sampling.cuh>

__global__ void sum(__nv_bfloat16 *x) {
    typedef cub::BlockReduce<float, 128> Reduce;
    __shared__ typename Reduce::TempStorage storage;
    x[0] = __float2bfloat16(Reduce(storage).Sum(__bfloat162float(x[threadIdx.x])));
}

extern "C" int run(__nv_bfloat16 *x, float *probabilities) {
    CUdevice device;
    cuDeviceGet(&device, 0);
    sum<<<1, 128>>>(x);
    return flashinfer::sampling::TopPRenormProb<float>(probabilities, probabilities, nullptr, 1, 0.95f, 1024);
}
