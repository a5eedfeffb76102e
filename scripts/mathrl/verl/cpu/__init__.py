"""What verl 0.9 and vLLM's CPU build need to train without a GPU, through their own extension points only.

`platform`  verl's platform plug-in (VERL_PLATFORM=cpu, VERL_USE_EXTERNAL_MODULES=mathrl.verl.cpu.platform)
`worker`    vLLM's worker extension, so that a weight sync takes effect

Nothing here is loaded where the accelerator is cuda; nothing in site-packages is changed.
"""
