#!/usr/bin/env bash
# tests/hpc/start_slurm.sh DIR: a real SLURM of two nodes, six GPU device nodes each, on this one host; root, no systemd.
#
# Each node has its own network, host name, /tmp and /dev/shm, so that a wrong address or a file that only one node has shows;
# no node reaches anything beyond this host, and home is read-only there. State and logs lie under DIR (not below /tmp, which the nodes
# do not share); pids in /run/mathrl-hpc, so that stop_slurm.sh finds them when DIR is gone.
set -euo pipefail
base=$(readlink -f "$1")
root=$(cd "$(dirname "$0")/../.." && pwd)
net=10.77.0 run=/run/mathrl-hpc
if [ -e /etc/slurm/slurm.conf ] && ! grep -q '^ClusterName=test$' /etc/slurm/slurm.conf; then
    echo "error: /etc/slurm/slurm.conf belongs to another SLURM; use a machine without one" >&2
    exit 2
fi
mkdir -p "$base"/{state,log,dev} "$run" /etc/slurm /run/munge
for i in 0 1 2 3 4 5; do [ -e "$base/dev/nvidia$i" ] || mknod "$base/dev/nvidia$i" c 1 3; done
printf '127.0.0.1 localhost\n%s.1 login\n%s.11 n1\n%s.12 n2\n' "$net" "$net" "$net" >"$base/hosts"

cat >/etc/slurm/slurm.conf <<END
ClusterName=test
SlurmctldHost=$(hostname)($net.1)
SlurmctldPort=16817
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=cred_expire=30
CredType=cred/munge
StateSaveLocation=$base/state
SlurmdSpoolDir=$base/spool.%n
SlurmctldPidFile=$run/slurmctld.pid
SlurmdPidFile=$run/slurmd.%n.pid
SlurmctldLogFile=$base/log/slurmctld.log
SlurmdLogFile=$base/log/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=2,batch_sched_delay=0,bf_interval=2,requeue_setup_env_fail
SlurmdParameters=config_overrides
ReturnToService=2
MinJobAge=300
KillWait=30
JobFileAppend=1
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=2
JobAcctGatherParams=OverMemoryKill,UsePss
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
GresTypes=gpu
NodeName=n1 NodeHostname=n1 NodeAddr=$net.11 Port=17001 CPUs=48 RealMemory=1000000 Gres=gpu:6 State=UNKNOWN
NodeName=n2 NodeHostname=n2 NodeAddr=$net.12 Port=17001 CPUs=48 RealMemory=1000000 Gres=gpu:6 State=UNKNOWN
PartitionName=gpu Nodes=n[1-2] Default=YES MaxTime=INFINITE State=UP PriorityTier=1 PreemptMode=REQUEUE GraceTime=60
PartitionName=urgent Nodes=n[1-2] MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
END
echo "NodeName=n[1-2] Name=gpu File=$base/dev/nvidia[0-5]" >/etc/slurm/gres.conf
[ -s /etc/munge/munge.key ] || { (umask 077 && head -c 1024 /dev/urandom >/etc/munge/munge.key); }

ip link add mathrl0 type bridge
ip address add "$net.1/24" dev mathrl0
ip link set mathrl0 up
munged --pid-file="$run/munged.pid" --force
slurmctld -c
for i in 1 2; do
    node=n$i
    mkdir -p "$base/spool.$node" "$base/tmp.$node"
    chmod 1777 "$base/tmp.$node"
    ip netns add "mathrl-$node"
    ip link add "mathrl-$node" type veth peer name eth0 netns "mathrl-$node"
    ip link set "mathrl-$node" master mathrl0 up
    ip -n "mathrl-$node" link set lo up
    ip -n "mathrl-$node" address add "$net.1$i/24" dev eth0
    ip -n "mathrl-$node" link set eth0 up
    # not `ip netns exec`, which mounts a new /sys and hides the control groups that slurmd wants
    nsenter --net="/run/netns/mathrl-$node" unshare --mount --uts --propagation private bash -c "
        set -e
        hostname $node
        mount --bind '$base/hosts' /etc/hosts
        for place in '$root' '$HOME'; do # what the nodes share may lie below /tmp
            case \$place in /tmp/*)
                mkdir -p '$base/tmp.$node'\${place#/tmp}
                mount --bind \$place '$base/tmp.$node'\${place#/tmp} ;;
            esac
        done
        mount --rbind '$base/tmp.$node' /tmp
        mount -t tmpfs tmpfs /dev/shm
        mount --bind '$HOME' '$HOME'
        mount -o remount,bind,ro '$HOME'
        mount --bind '$base' '$base' # should it lie below home
        mount -o remount,bind,rw '$base'
        exec slurmd -N $node"
done
for _ in $(seq 40); do [ "$(sinfo -h -N -o %T 2>/dev/null | grep -c idle)" = 4 ] && break; sleep 0.5; done
sinfo -N -o '%N %P %T %c %m %G'
[ "$(sinfo -h -N -o %T | grep -c idle)" = 4 ] || { tail -n 20 "$base"/log/*.log >&2; exit 1; }
