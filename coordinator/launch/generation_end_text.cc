#include "coordinator/launch/generation_end_text.h"

#include "common/death_text.h"

namespace still::coordinator {

std::string EndText(const v1::GenerationEnd& end) {
  if (end.has_death()) return DeathText(end.death());
  return end.code() == v1::CODE_OK ? "done" : end.why().substr(0, end.why().find('\n'));
}

}  // namespace still::coordinator
