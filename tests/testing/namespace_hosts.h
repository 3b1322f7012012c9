// The testbed of namespace_hosts.sh, seen from a test that it runs: several hosts on one machine, which the test may
// cut off and kill. Register such a test as `namespace_hosts.sh -- <binary>`; run by itself, it skips.
#pragma once

#include <string>
#include <vector>

#include "cluster/mpirun_command.h"

namespace still::testing {

class NamespaceHosts {
 public:
  // Whether this process runs in a testbed.
  static bool Here();
  NamespaceHosts();

  const std::vector<std::string>& names() const { return names_; }  // "a", "b", "c"
  const std::string& address() const { return address_; }           // of this process, as the hosts reach it
  const std::string& directory() const { return directory_; }
  std::string hostfile() const { return directory_ + "/hostfile"; }  // "a slots=8" ...
  cluster::SshOptions ssh() const;                                   // for LaunchSpec

  void Cut(const std::string& host) const;   // no packet reaches or leaves it any more; its processes go on
  void Mend(const std::string& host) const;  // undoes a cut
  void Kill(const std::string& host) const;  // its processes end at once; after a cut, without a word to anybody
  void Boot(const std::string& host) const;  // a killed one, again
  // What a command prints there.
  std::string Shell(const std::string& host, const std::string& command) const;

 private:
  std::string directory_, address_, network_;
  std::vector<std::string> names_;
};

}  // namespace still::testing

#define REQUIRE_NAMESPACE_HOSTS()              \
  if (!still::testing::NamespaceHosts::Here()) \
  GTEST_SKIP() << "no hosts: run by way of tests/testing/namespace_hosts.sh"
