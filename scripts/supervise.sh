# shellcheck shell=bash
# Every rule's command begins by reading this (rules/common.smk): bash runs the same command once more, below a supervisor.
# A rule that brings a supervisor of its own, with GPUs or time to save, is left alone, and so is one that runs no script of ours.
if [ -n "${MATHRL_IN_SUPERVISOR-}" ]; then
    unset MATHRL_IN_SUPERVISOR
else
    # a very long command is a file that bash runs
    command=${BASH_EXECUTION_STRING-$(<"$0")}
    case ${command#*supervise.sh} in
        *scripts/run_job.py*) ;;
        *scripts/*.py*)
            export MATHRL_IN_SUPERVISOR=1
            set -- "${BASH_SOURCE[0]%/*}/run_job.py" --once -- "$BASH"
            # no site-packages: it starts in half the time
            set -- -ES ${PYTHONDONTWRITEBYTECODE:+-B} -X utf8 "$@"
            if [ -n "${BASH_EXECUTION_STRING-}" ]; then
                exec python3 "$@" -c "$command"
            else
                exec python3 "$@" "$0"
            fi
            ;;
    esac
fi
