#include "common/config/pipeline_sweep.h"

#include <map>

#include "common/config/config.h"
#include "common/config/pipeline_config.h"
#include "common/config/sweep.h"

namespace still {

Result<std::vector<PipelineVariant>> LoadPipelineSweep(const std::string& path) {
  const Result<SweepDocument> document = SweepDocument::Load(path);
  if (!document.ok()) return Status(Code::kInvalidArgument, document.status().message());
  std::vector<PipelineVariant> variants;
  std::map<std::string, std::string> name_of;  // by what is effective
  for (std::size_t i = 0; i < document->size(); ++i) {
    PipelineVariant variant{document->name(i), document->settings(i), DefaultPipelineConfig()};
    STILL_RETURN_IF_ERROR(document->Read(i, &variant.config));
    if (const Status complete = CompletePipelineConfig(path, &variant.config); !complete.ok()) {
      const std::string place = document->PlaceOf(i, KeyOf(complete));
      return complete.WithContext(variant.name.empty() ? place : fmt::format("{}: variant {}", place, variant.name));
    }
    const auto [same, fresh] = name_of.emplace(ToYaml(variant.config), variant.name);
    if (!fresh)
      return Error(Code::kInvalidArgument, "{}: the variants {} and {} are the same configuration; leave one out", path,
                   same->second, variant.name);
    variants.push_back(std::move(variant));
  }
  return variants;
}

}  // namespace still
