// still top: jobs, their ranks and hosts in one picture. A terminal shows it anew every second until an interrupt.
#include "cli/registration.h"
#include "cli/terminal.h"
#include "cli/top_text.h"
#include "common/clock.h"

namespace still::cli {
namespace {

constexpr std::chrono::milliseconds kPeriod(1000);

struct Options {
  ConnectionOptions connection;
  bool once = false;
  bool json = false;
};

Status ShowTop(const Options& options) {
  STILL_ASSIGN_OR_RETURN(const auto client, ConnectToCoordinator(options.connection));
  if (options.json || options.once || !OnTerminal())
    return PrintView(*client, {.view = v1::VIEW_KIND_TOP}, options.json, &TopText);
  for (std::string picture;; Clock::System().SleepFor(kPeriod)) {
    const Result<v1::View> view = Ask(*client, {.view = v1::VIEW_KIND_TOP});
    if (view.ok()) {
      picture = TopText(*view);
    } else if (picture.empty() || view.status().code() != Code::kUnavailable) {
      return view.status();
    }
    const TerminalSize size = SizeOfTerminal();
    // While the coordinator is away the last picture stays, below a line that says so.
    Print(Redrawn(view.ok() ? picture : view.status().message() + "\n" + picture, size.columns, size.rows));
  }
}

void AddTo(CLI::App& app, Action& action) {
  const auto [top, options] =
      AddCommand(app, "top", "Watch jobs, ranks and hosts; a terminal shows them anew every second", action, &ShowTop);
  top->add_flag("--once", options.once, "Print one picture as plain text");
  AddJsonFlag(top, options.json);
  AddConnectionOptions(top, options.connection);
}

const Registration kRegistration(/*place=*/50, &AddTo);

}  // namespace
}  // namespace still::cli
