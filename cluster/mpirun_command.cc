#include "cluster/mpirun_command.h"

#include <unistd.h>

#include <fmt/ranges.h>

#include <array>
#include <initializer_list>
#include <sstream>
#include <string_view>

#include "common/environment.h"
#include "common/storage/files.h"
#include "common/storage/scratch_directory.h"

namespace still::cluster {
namespace {

// CMake sets it to the mpirun beside the compiler wrapper of the worker. It is empty when no worker is built.
constexpr const char* kBuiltWith = STILL_BUILT_WITH_MPIRUN;

// Open MPI leaves ULFM off by default. Under ULFM the hierarchical collectives (han) return success over buffers that
// were never written, the default agreement is not fault tolerant, and only ob1 reports dead ranks.
constexpr std::array kSurviveDeaths = {
    "--with-ft", "ulfm",  "--mca", "coll", "^han,hcoll,portals4", "--mca", "coll_ftagree_agreement",
    "1",         "--mca", "pml",   "ob1"};

// Returns the directory that mpirun was installed under, because the shells of other hosts may not find it. Returns ""
// for a system's mpirun, which they find.
std::string PrefixOf(const std::string& mpirun) {
  const std::string bin = mpirun.substr(0, mpirun.rfind('/'));
  if (!mpirun.starts_with('/') || !bin.ends_with("/bin")) return "";
  const std::string prefix = bin.substr(0, bin.size() - std::string_view("/bin").size());
  return prefix.empty() || prefix == "/usr" ? "" : prefix;
}

// Returns "a:2,b:1", in the order of the placement. A host's slots are the ranks that it gets, so ranks fill them in
// turn.
std::string HostList(const Placement& hosts) {
  std::vector<std::string> shares;
  for (const HostShare& share : hosts) shares.push_back(fmt::format("{}:{}", share.host, share.ranks));
  return fmt::format("{}", fmt::join(shares, ","));
}

std::vector<std::string> HostFlags(const std::string& mpirun, const LaunchSpec& spec, MpirunKind kind) {
  const bool prrte = kind == MpirunKind::kOpenMpi5;
  const SshOptions& ssh = spec.ssh;
  // Without the alive messages, an ssh to a host that vanished would outlive mpirun. When that ssh ends and mpirun
  // still runs, mpirun ends all ranks.
  std::string ssh_arguments = fmt::format(
      "-o BatchMode=yes -o ConnectTimeout={} -o ServerAliveInterval=15 -o ServerAliveCountMax=4", ssh.connect_seconds);
  if (!ssh.identity_file.empty()) ssh_arguments += " -i " + ssh.identity_file;
  for (const std::string& argument : ssh.arguments) ssh_arguments += " " + argument;

  std::vector<std::string> flags = {"--host", HostList(spec.hosts)};
  const auto add = [&flags](std::initializer_list<std::string> more) { flags.insert(flags.end(), more); };
  if (const std::string prefix = ssh.prefix.empty() ? PrefixOf(mpirun) : ssh.prefix; !prefix.empty())
    add({"--prefix", prefix});
  // Since Open MPI 5 the options of its process starter have a flag of their own.
  const std::string launcher = prrte ? "--prtemca" : "--mca";
  add({launcher, prrte ? "plm_ssh_agent" : "plm_rsh_agent", "ssh"});
  add({launcher, prrte ? "plm_ssh_args" : "plm_rsh_args", ssh_arguments});
  if (!ssh.network.empty()) {
    add({launcher, prrte ? "prte_if_include" : "oob_tcp_if_include", ssh.network});
    add({"--mca", "btl", "self,tcp", "--mca", "btl_tcp_if_include", ssh.network});
  }
  return flags;
}

// Each launch gets a directory of its own. Open MPI names its files by process number alone, in shared places. A killed
// mpirun leaves them behind, and the next mpirun with that process number fails at its start. On other hosts Open MPI
// makes the directory.
std::vector<std::string> ScratchFlags(const std::string& directory, MpirunKind kind) {
  if (kind == MpirunKind::kOpenMpi5)
    return {"--prtemca", "prte_tmpdir_base", directory, "--mca", "btl_sm_backing_directory", directory};
  return {"--mca", "orte_tmpdir_base", directory, "--mca", "btl_vader_backing_directory", directory};
}

// Quotes a word for a shell where that is needed.
std::string Quoted(const std::string& word) {
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=:,./@%^";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

bool IsExecutable(const std::string& path) { return ::access(path.c_str(), X_OK) == 0; }

}  // namespace

MpirunKind MpirunKindInUse() { return MpiHasUlfm() ? MpirunKind::kOpenMpi5 : MpirunKind::kOpenMpi4; }

Command MpirunCommand(const std::string& mpirun, const LaunchSpec& spec, MpirunKind kind) {
  // mpirun hands its environment to the ranks on this machine. The thread counts are part of a result's identity, so
  // they win over the user's shell. spec.environment wins over both.
  const std::string threads = std::to_string(spec.threads_per_rank);
  Command command;
  command.environment = spec.environment;
  command.environment.insert({{"OMP_NUM_THREADS", threads}, {"MKL_NUM_THREADS", threads}});
  if (!spec.scratch.empty()) command.environment[kScratchVariable] = spec.scratch;

  command.argv = {mpirun};
  const auto add = [&](const auto& flags) { command.argv.insert(command.argv.end(), flags.begin(), flags.end()); };
  if (spec.as_root) command.argv.push_back("--allow-run-as-root");
  if (spec.survive_deaths) add(kSurviveDeaths);
  if (!spec.scratch.empty()) add(ScratchFlags(spec.scratch, kind));
  if (!spec.hosts.empty()) {
    add(HostFlags(mpirun, spec, kind));
    for (const auto& [name, value] : command.environment) {
      command.argv.push_back("-x");
      command.argv.push_back(name);
    }
  }
  // On several hosts ranks fill one host after the other, whatever the default mapping of this mpirun is.
  std::vector<std::string> mapping = {"--oversubscribe"};
  if (!spec.hosts.empty() && kind == MpirunKind::kOpenMpi5) mapping = {"--map-by", "slot:OVERSUBSCRIBE"};
  if (!spec.hosts.empty() && kind == MpirunKind::kOpenMpi4) mapping = {"--map-by", "slot", "--oversubscribe"};
  add(mapping);
  add(std::vector<std::string>{"--bind-to", "none", "-n", std::to_string(spec.ranks), spec.program});
  add(spec.arguments);
  return command;
}

std::string ShellText(const Command& command) {
  std::vector<std::string> words;
  for (const auto& [name, value] : command.environment) words.push_back(name + "=" + Quoted(value));
  for (const std::string& word : command.argv) words.push_back(Quoted(word));
  return fmt::format("{}", fmt::join(words, " "));
}

bool MpiHasUlfm() { return STILL_MPI_HAS_ULFM != 0; }

Result<std::string> FindMpirun() {
  if (std::string chosen = EnvironmentValue("STILL_MPIRUN"); !chosen.empty()) {
    if (IsExecutable(chosen)) return chosen;
    return Error(Code::kNotFound, "STILL_MPIRUN names {}, which is not an executable file", chosen);
  }
  if (*kBuiltWith != '\0' && IsExecutable(kBuiltWith)) return std::string(kBuiltWith);
  std::istringstream directories(EnvironmentValue("PATH"));
  for (std::string directory; std::getline(directories, directory, ':');) {
    const std::string candidate = JoinPath(directory.empty() ? "." : directory, "mpirun");
    if (IsExecutable(candidate)) return candidate;
  }
  return Error(Code::kNotFound,
               "no mpirun: run scripts/setup.sh, or set STILL_MPIRUN to the path of Open MPI's mpirun");
}

}  // namespace still::cluster
