#include "tests/testing/namespace_hosts.h"

#include <cstdlib>
#include <sstream>

#include "common/check.h"
#include "tests/testing/process.h"

namespace still::testing {
namespace {

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

void Do(const std::string& verb, const std::string& host) {
  const ProcessResult result = Run({STILL_NAMESPACE_HOSTS, verb, host});
  STILL_CHECK(result.exit_code == 0, result.err);
}

}  // namespace

bool NamespaceHosts::Here() { return !Environment("STILL_TESTBED").empty(); }

NamespaceHosts::NamespaceHosts()
    : directory_(Environment("STILL_TESTBED")),
      address_(Environment("STILL_TESTBED_ADDRESS")),
      network_(Environment("STILL_TESTBED_NETWORK")) {
  std::istringstream names(Environment("STILL_TESTBED_HOSTS"));
  for (std::string name; names >> name;) names_.push_back(name);
}

cluster::SshOptions NamespaceHosts::ssh() const {
  return {.arguments = {"-F", directory_ + "/ssh_config"}, .network = network_};
}

void NamespaceHosts::Cut(const std::string& host) const { Do("cut", host); }
void NamespaceHosts::Mend(const std::string& host) const { Do("mend", host); }
void NamespaceHosts::Kill(const std::string& host) const { Do("kill", host); }
void NamespaceHosts::Boot(const std::string& host) const { Do("boot", host); }

std::string NamespaceHosts::Shell(const std::string& host, const std::string& command) const {
  return Run({"/usr/bin/ssh", "-F", directory_ + "/ssh_config", host, command}).out;
}

}  // namespace still::testing
