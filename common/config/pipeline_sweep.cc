#include "common/config/pipeline_sweep.h"

#include <map>

#include "common/config/config.h"
#include "common/config/pipeline_config.h"
#include "common/config/sweep.h"

namespace still {

Result<std::vector<PipelineVariant>> LoadPipelineSweep(const std::string& path) {
  STILL_ASSIGN_OR_RETURN(const SweepDocument document, SweepDocument::Load(path));
  std::vector<PipelineVariant> variants;
  std::map<std::string, std::string> name_of;  // the effective configuration -> the variant's name
  for (std::size_t i = 0; i < document.size(); ++i) {
    PipelineVariant variant{document.name(i), document.settings(i), DefaultPipelineConfig()};
    STILL_RETURN_IF_ERROR(document.Read(i, &variant.config));
    STILL_RETURN_IF_ERROR(document.Locate(i, CompletePipelineConfig(path, &variant.config)));
    const auto [same, fresh] = name_of.emplace(ToYaml(variant.config), variant.name);
    if (!fresh)
      return Error(Code::kInvalidArgument, "the variants {} and {} are the same configuration: leave one out",
                   same->second, variant.name)
          .At({.file = path});
    variants.push_back(std::move(variant));
  }
  return variants;
}

}  // namespace still
