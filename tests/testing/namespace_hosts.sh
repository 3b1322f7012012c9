#!/usr/bin/env bash
# Several "hosts" on one machine, for tests of what happens between hosts.
#
#   namespace_hosts.sh [--hosts N] -- COMMAND...     runs COMMAND beside N (default 3) hosts a, b, c, ...
#
# COMMAND runs on a machine of its own ("head", 10.77.0.1) on a bridge with the hosts (a is 10.77.0.11, b 10.77.0.12,
# ...). Head and hosts are namespaces: network, host name, processes, IPC and mounts, with a /dev/shm each; the rest of
# the file system is everybody's, as on a cluster with a shared one. Each host runs an sshd that admits one new key.
# Nothing of it can be seen or reached from outside, and all of it ends with COMMAND: it lives in one process namespace.
#
# COMMAND finds in its environment
#   STILL_TESTBED             directory with ssh_config (for `ssh -F`), hostfile (Open MPI's: "a slots=8"), key, logs
#   STILL_TESTBED_HOSTS       "a b c"
#   STILL_TESTBED_ADDRESS     of the head, which hosts can connect to
#   STILL_TESTBED_NETWORK     "10.77.0.0/24": for btl_tcp_if_include and the like
# and may call, by way of this script:
#   namespace_hosts.sh cut HOST      from now on no packet reaches or leaves it; its processes go on
#   namespace_hosts.sh mend HOST     undoes a cut
#   namespace_hosts.sh kill HOST     its processes end at once, by SIGKILL; with a cut before, nobody is told
#   namespace_hosts.sh boot HOST     starts a killed one again, with an empty /dev/shm; returns once ssh works
#
# Exit: COMMAND's; 77, with the reason, where this machine does not let us (ctest's SKIP_RETURN_CODE).
set -euo pipefail
self=$(readlink -f "$0")
network=10.77.0
skip() { echo "SKIPPED: several hosts on one machine: $1" >&2; exit 77; }

host_number() { # a -> 1
  local number
  number=$(grep -n -x "$1" "$STILL_TESTBED/hosts" | cut -d: -f1)
  [ -n "$number" ] || { echo "namespace_hosts: no host $1" >&2; exit 2; }
  echo "$number"
}

# ---- outside: can we, and a directory ---------------------------------------------------------------------------------
outside() {
  local hosts=3
  if [ "${1:-}" = --hosts ]; then hosts=$2; shift 2; fi
  [ "${1:-}" = -- ] && shift
  [ $# -gt 0 ] || { echo "namespace_hosts: no command" >&2; exit 2; }
  [ "$(id -u)" -eq 0 ] || skip "only root may make namespaces"
  local tool
  for tool in unshare setpriv ip bridge ssh ssh-keygen /usr/sbin/sshd; do
    command -v "$tool" >/dev/null || skip "no $tool: run scripts/setup.sh --test"
  done
  unshare --net --mount --uts --ipc --pid --fork --mount-proc true 2>/dev/null || skip "namespaces are not permitted"
  unshare --net sh -c 'ip link add name switch type bridge && ip link add name x type veth peer name y' 2>/dev/null ||
    skip "the kernel has no bridges or no veth pairs"
  STILL_TESTBED=$(mktemp -d)
  export STILL_TESTBED
  trap 'rm -rf "$STILL_TESTBED"' EXIT
  local i
  for ((i = 1; i <= hosts; ++i)); do printf "\\x$(printf %x $((96 + i)))\n"; done >"$STILL_TESTBED/hosts"
  # An end of this process is the end of the namespace's first one, and with it of everything in there.
  setpriv --pdeathsig KILL \
    unshare --net --mount --uts --ipc --pid --fork --kill-child --mount-proc "$self" --head "$@" &
  local head=$! code=0
  trap 'kill -KILL "$head" 2>/dev/null || true' TERM INT
  wait "$head" || code=$?
  exit "$code"
}

# ---- the head: first process of the testbed -----------------------------------------------------------------------------
head_main() {
  cd "$STILL_TESTBED"
  mount -t tmpfs tmpfs /dev/shm
  mkdir -p /run/sshd # on a machine without a running sshd
  write_files
  mount --bind etc_hosts /etc/hosts
  hostname head
  ip link set lo up
  ip link add name switch type bridge
  ip addr add "$network.1/24" dev switch
  ip link set switch up
  local number=0 name
  while read -r name; do
    number=$((number + 1))
    start_host "$name" "$number"
  done <hosts
  for name in $(cat hosts); do wait_for_sshd "$name" || skip "ssh to $name does not work (its log is above)"; done
  export STILL_TESTBED_ADDRESS=$network.1 STILL_TESTBED_NETWORK=$network.0/24
  STILL_TESTBED_HOSTS=$(tr '\n' ' ' <hosts)
  export STILL_TESTBED_HOSTS=${STILL_TESTBED_HOSTS% }
  cd "$OLDPWD"
  local code=0
  "$@" || code=$?
  exit "$code"
}

write_files() {
  local name number=0
  umask 077
  ssh-keygen -q -t ed25519 -N '' -f key
  ssh-keygen -q -t ed25519 -N '' -f host_key
  printf '127.0.0.1 localhost\n%s.1 head\n' "$network" >etc_hosts
  for name in $(cat hosts); do
    number=$((number + 1))
    printf '%s.%d %s\n' "$network" $((10 + number)) "$name" >>etc_hosts
    printf '%s slots=8\n' "$name" >>hostfile
    printf '%s %s\n' "$name" "$(cut -d' ' -f1,2 host_key.pub)" >>known_hosts
  done
  cat >ssh_config <<END
Host *
  User root
  IdentityFile $STILL_TESTBED/key
  IdentitiesOnly yes
  UserKnownHostsFile $STILL_TESTBED/known_hosts
  StrictHostKeyChecking yes
  BatchMode yes
  ConnectTimeout 5
  LogLevel ERROR
END
  cat >sshd_config <<END
Port 22
HostKey $STILL_TESTBED/host_key
AuthorizedKeysFile $STILL_TESTBED/key.pub
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
PidFile none
MaxStartups 100
END
}

start_host() {
  local name=$1 number=$2
  ip link add name "to-$name" type veth peer name "at-$name"
  ip link set "to-$name" master switch up
  unshare --net --mount --uts --ipc --pid --fork --mount-proc "$self" --host "$name" "$number" \
    </dev/null >"$name.log" 2>&1 &
  echo $! >"$name.unshare"
  # Its network namespace exists once its first process says so; then it gets its end of the cable.
  while [ ! -e "$name.ready" ]; do kill -0 "$(cat "$name.unshare")" && sleep 0.02; done
  pgrep -P "$(cat "$name.unshare")" >"$name.pid"
  ip link set "at-$name" netns "$(cat "$name.pid")"
  : >"$name.cabled"
}

# ---- a host: its first process ------------------------------------------------------------------------------------------
host_main() {
  local name=$1 number=$2
  hostname "$name"
  mount -t tmpfs tmpfs /dev/shm
  : >"$name.ready"
  while [ ! -e "$name.cabled" ]; do sleep 0.02; done
  ip link set lo up
  ip addr add "$network.$((10 + number))/24" dev "at-$name"
  ip link set "at-$name" up
  /usr/sbin/sshd -D -e -f sshd_config &
  wait # and bury whoever is left behind here
}

wait_for_sshd() {
  local try
  for ((try = 0; try < 100; ++try)); do
    ssh -F ssh_config "$1" true </dev/null 2>>"$1.log" && return
    sleep 0.1
  done
  cat "$1.log" >&2
  return 1
}

case ${1:-} in
  --head) shift; head_main "$@" ;;
  --host) cd "$STILL_TESTBED"; host_main "$2" "$3" ;;
  cut) host_number "$2" >/dev/null; bridge link set dev "to-$2" state 0 ;; # still a port: nothing else takes its frames
  mend) host_number "$2" >/dev/null; bridge link set dev "to-$2" state 3 ;;
  boot)
    number=$(host_number "$2")
    cd "$STILL_TESTBED"
    # Where it was cut off, connections that nobody closed keep its network namespace for minutes.
    ip link del "to-$2" 2>/dev/null || true
    rm -f "$2.ready" "$2.cabled"
    start_host "$2" "$number"
    wait_for_sshd "$2"
    ;;
  kill) host_number "$2" >/dev/null; kill -KILL "$(cat "$STILL_TESTBED/$2.pid")" ;;
  *) outside "$@" ;;
esac
