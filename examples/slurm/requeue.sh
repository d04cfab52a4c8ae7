# Sourced by the job files, from the repository's root.

# Run a command that saves and ends on SIGTERM. Shortly before the time is over (or when the job is preempted) Slurm
# signals the job's script: the signal is handed on, training saves and ends, and the job goes back into the queue. An
# error does not requeue it: it would only fail again.
run_and_requeue() {
  local stopped='' status=0
  "$@" &
  local launcher=$!
  trap 'stopped=1; kill -TERM "$launcher"' TERM
  wait "$launcher" || status=$?
  if [[ -n "$stopped" ]]; then
    wait "$launcher" || true             # the first wait ended with the signal
    scontrol requeue "$SLURM_JOB_ID"
    exit 0
  fi
  exit "$status"
}
