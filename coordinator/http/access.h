// Who may ask over HTTP. Pure.
//
// Who has the token: in "Authorization: Bearer", or once as ?token=, which is answered with a cookie. Without a token,
// which is for loopback only, everybody on this machine. On loopback the Host header must name this machine, so that a
// web page whose name was made to point here (DNS rebinding) reads nothing. What changes anything also needs the header
// "X-Stillhouse: 1", which a page of another origin cannot send.
#pragma once

#include <string>
#include <string_view>

namespace still::coordinator {

struct AccessRules {
  bool loopback = true;
  std::string token;                        // empty: none is asked for
  std::string cookie = "stillhouse_token";  // its name; browsers share cookies among the ports of a host
};

// Of one request; empty where the header or parameter is missing.
struct AccessClaims {
  std::string method;
  std::string host;
  std::string authorization;
  std::string cookie;
  std::string token_parameter;
  std::string stillhouse_header;
};

struct AccessVerdict {
  int http_status = 200;  // else 401, 403 or 421 (not meant for this host), and why
  std::string message;
  bool set_cookie = false;  // the token came as a parameter

  bool granted() const { return http_status == 200; }
};

AccessVerdict CheckAccess(const AccessRules& rules, const AccessClaims& claims);

// "localhost", 127.0.0.0/8, ::1.
bool IsLoopbackName(std::string_view host);
// Takes the same time wherever the two differ.
bool SameSecret(std::string_view a, std::string_view b);
// The value of Set-Cookie.
std::string TokenCookie(const AccessRules& rules);

}  // namespace still::coordinator
