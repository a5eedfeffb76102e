#!/usr/bin/env bash
# tests/hpc/capabilities.sh [ETC...]: where root lacks a capability (many virtual machines withhold CAP_SYS_RESOURCE), Apptainer asks for
# those alone that can be had. It changes Apptainer's settings: those of install.sh below /opt/apptainer/etc, another's below /etc.
set -euo pipefail
[ $# -gt 0 ] || set -- /opt/apptainer/etc /etc
bounding=$(capsh --print | awk -F'= *' '/^Bounding set/{print toupper($2)}')
case ,$bounding, in *,CAP_SYS_RESOURCE,*) exit ;; esac
for etc in "$@"; do
    configuration=$etc/apptainer/apptainer.conf
    [ -e "$configuration" ] || continue
    sed -i 's/^root default capabilities = .*/root default capabilities = file/' "$configuration"
    apptainer -s capability add --user root "$bounding" >/dev/null 2>&1
    exit
done
echo "error: no apptainer/apptainer.conf below $*" >&2
exit 2
