#!/usr/bin/env bash
# tests/hpc/capabilities.sh: where root lacks a capability (many virtual machines withhold CAP_SYS_RESOURCE), Apptainer asks for those alone
# that can be had. It changes Apptainer's settings: those of install.sh below /opt/apptainer, another's below /etc.
set -euo pipefail
bounding=$(capsh --print | awk -F'= *' '/^Bounding set/{print toupper($2)}')
configuration=$(find /opt/apptainer/etc /etc -maxdepth 2 -name apptainer.conf 2>/dev/null | head -1)
case ,$bounding, in
    *,CAP_SYS_RESOURCE,*) ;;
    *)
        sed -i 's/^root default capabilities = .*/root default capabilities = file/' "$configuration"
        apptainer -s capability add --user root "$bounding" >/dev/null 2>&1
        ;;
esac
