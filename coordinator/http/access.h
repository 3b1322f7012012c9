// Decides who may ask over HTTP. Pure.
//
// A request needs the token: as "Authorization: Bearer", or once as ?token=, which is answered with a cookie. A server
// on loopback may have no token, and then answers everybody on this machine. On loopback the Host header must name this
// machine, so that a web page whose name was made to point here (DNS rebinding) reads nothing. A change also needs the
// header "X-Stillhouse: 1", which a page of another origin cannot send.
#pragma once

#include <string>
#include <string_view>

namespace still::coordinator {

struct AccessRules {
  bool loopback = true;
  std::string token;                        // empty: none is needed
  std::string cookie = "stillhouse_token";  // name of the cookie; browsers share cookies among ports
};

// The claims that a request makes about itself. A field is empty if its header or parameter is missing.
struct AccessClaims {
  std::string method;
  std::string host;
  std::string authorization;
  std::string cookie;
  std::string token_parameter;
  std::string stillhouse_header;
};

struct AccessVerdict {
  int http_status = 200;  // otherwise 401, 403 or 421 (sent to another host), with a message
  std::string message;
  bool set_cookie = false;  // the token came as a parameter

  bool granted() const { return http_status == 200; }
};

AccessVerdict CheckAccess(const AccessRules& rules, const AccessClaims& claims);

// Returns true for "localhost", 127.0.0.0/8 and ::1.
bool IsLoopbackName(std::string_view host);
// Compares in the same time wherever the two differ.
bool SameSecret(std::string_view a, std::string_view b);
// Returns the value of Set-Cookie.
std::string TokenCookie(const AccessRules& rules);

}  // namespace still::coordinator
