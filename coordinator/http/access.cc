#include "coordinator/http/access.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

#include "common/digest.h"

namespace still::coordinator {
namespace {

constexpr std::string_view kBearer = "Bearer ";

// Returns the host without its port: "localhost" of "localhost:5680", "::1" of "[::1]:5680".
std::string_view NameIn(std::string_view host) {
  if (host.starts_with('[')) return host.substr(1, host.find(']') - 1);
  return host.substr(0, host.find(':'));
}

std::string_view TokenInCookies(std::string_view cookies, std::string_view name) {
  while (!cookies.empty()) {
    const std::size_t end = std::min(cookies.find(';'), cookies.size());
    std::string_view one = cookies.substr(0, end);
    cookies.remove_prefix(std::min(end + 1, cookies.size()));
    while (one.starts_with(' ')) one.remove_prefix(1);
    if (one.starts_with(name) && one.substr(name.size()).starts_with('=')) return one.substr(name.size() + 1);
  }
  return {};
}

bool HasToken(const AccessRules& rules, const AccessClaims& claims) {
  const std::string_view authorization = claims.authorization;
  if (authorization.starts_with(kBearer) && SameSecret(authorization.substr(kBearer.size()), rules.token)) return true;
  return SameSecret(TokenInCookies(claims.cookie, rules.cookie), rules.token);
}

}  // namespace

bool IsLoopbackName(std::string_view host) {
  if (host == "localhost" || host == "::1") return true;
  const bool numeric = host.find_first_not_of("0123456789.") == std::string_view::npos;
  return numeric && host.starts_with("127.") && std::count(host.begin(), host.end(), '.') == 3;
}

bool SameSecret(std::string_view a, std::string_view b) {
  // Digests have one length. The place where they differ tells nothing about the secrets.
  const Sha256Digest left = Sha256Of(a);
  const Sha256Digest right = Sha256Of(b);
  unsigned difference = 0;
  for (std::size_t i = 0; i < left.size(); ++i) difference |= static_cast<unsigned>(left[i] ^ right[i]);
  return difference == 0;
}

AccessVerdict CheckAccess(const AccessRules& rules, const AccessClaims& claims) {
  if (rules.loopback && !IsLoopbackName(NameIn(claims.host))) {
    return {421, "this server answers requests for localhost and 127.0.0.1 only"};
  }
  if (!rules.loopback && rules.token.empty()) return {403, "beyond loopback a token is required"};
  AccessVerdict verdict;
  if (!rules.token.empty() && !HasToken(rules, claims)) {
    const bool first_visit = claims.method == "GET" && SameSecret(claims.token_parameter, rules.token);
    if (!first_visit) {
      return {
          401,
          "a token is required: open the address that is in the file 'http' of the coordinator's state directory, or "
          "send 'Authorization: Bearer TOKEN', of its keys/http.token"};
    }
    verdict.set_cookie = true;
  }
  if (claims.method == "POST" && claims.stillhouse_header != "1") {
    return {403, "a change needs the header 'X-Stillhouse: 1'"};
  }
  return verdict;
}

std::string TokenCookie(const AccessRules& rules) {
  return fmt::format("{}={}; Path=/; Max-Age=2592000; HttpOnly; SameSite=Strict", rules.cookie, rules.token);
}

}  // namespace still::coordinator
