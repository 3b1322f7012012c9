#include "coordinator/views/views.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "coordinator/jobs/names.h"
#include "coordinator/views/view_parts.h"

namespace still::coordinator {
namespace {

constexpr std::uint32_t kDefaultLimit = 100;
constexpr std::uint32_t kLongestLimit = 10'000;

std::uint32_t LimitOf(const v1::Query& query) {
  return query.limit() == 0 ? kDefaultLimit : std::min(query.limit(), kLongestLimit);
}

bool Selected(const v1::Query& query, const v1::Job& job) {
  return (query.job() == 0 || job.id() == query.job()) && (query.pipeline() == 0 || job.pipeline() == query.pipeline());
}

// Returns live jobs: first those with slots, then the queue in its order, then those that are not in the queue.
std::vector<const v1::Job*> LiveInOrder(const v1::Query& query, const PartSources& from) {
  std::vector<std::tuple<int, std::uint32_t, std::uint64_t, const v1::Job*>> keyed;
  for (const std::uint64_t id : from.state.live()) {
    const v1::Job* job = from.state.FindJob(id);
    if (job == nullptr || !Selected(query, *job)) continue;
    const auto wait = from.waits.find(id);
    const std::uint32_t position = wait == from.waits.end() ? 0 : wait->second.position;
    const int group = HoldsSlots(job->state()) ? 0 : position > 0 ? 1 : 2;
    keyed.emplace_back(group, group == 1 ? position : 0, id, job);
  }
  std::sort(keyed.begin(), keyed.end());
  std::vector<const v1::Job*> jobs;
  for (const auto& [group, position, id, job] : keyed) jobs.push_back(job);
  return jobs;
}

void FillLive(const v1::Query& query, const PartSources& from, v1::View* view) {
  const auto jobs = LiveInOrder(query, from);
  for (const v1::Job* job : jobs) {
    if (query.limit() != 0 && static_cast<std::uint32_t>(view->jobs_size()) >= query.limit()) break;
    v1::JobView* const to = view->add_jobs();
    FillJob(from, *job, to);
    if (query.view() == v1::VIEW_KIND_TOP) FillMembers(from, *job, to);
  }
  view->set_live_jobs(jobs.size());
  view->set_storage_trouble(from.live.storage_trouble());
}

void FillHistory(const v1::Query& query, const PartSources& from, v1::View* view) {
  std::vector<const v1::Job*> ended;
  for (const auto& [id, job] : from.state.jobs()) {
    if (IsTerminal(job.state()) && Selected(query, job)) ended.push_back(&job);
  }
  const auto later = [](const v1::Job* a, const v1::Job* b) {
    return std::pair(a->ended_ms(), a->id()) > std::pair(b->ended_ms(), b->id());
  };
  const auto count = std::min<std::size_t>(ended.size(), LimitOf(query));
  const auto last = ended.begin() + static_cast<std::ptrdiff_t>(count);
  std::partial_sort(ended.begin(), last, ended.end(), later);
  for (auto job = ended.begin(); job != last; ++job) FillJob(from, **job, view->add_jobs());
}

Status AddEvents(const v1::Query& query, const PartSources& from, const ViewSources& sources,
                 google::protobuf::RepeatedPtrField<v1::EventView>* to) {
  STILL_ASSIGN_OR_RETURN(const auto events, sources.read_history(query.after(), query.job(), LimitOf(query)));
  for (const v1::HistoryEvent& event : events) FillEvent(from.state, event, to->Add());
  return Ok();
}

Result<const v1::Job*> JobAskedFor(const v1::Query& query, const State& state) {
  if (query.job() == 0)
    return Error(Code::kInvalidArgument, "the view '{}' shows one job: name it", EnumWord(query.view()));
  const v1::Job* job = state.FindJob(query.job());
  if (job == nullptr) return NoSuchJob(fmt::to_string(query.job()));
  return job;
}

Status FillOneJob(const v1::Query& query, const PartSources& from, const ViewSources& sources, v1::View* view) {
  STILL_ASSIGN_OR_RETURN(const v1::Job* job, JobAskedFor(query, from.state));
  v1::JobView* const to = view->mutable_job();
  FillJob(from, *job, to);
  to->set_attach_command(sources.attach_command_of(*job));
  if (query.view() == v1::VIEW_KIND_WHY) {
    AddReasons(from, *job, view->mutable_reasons());
    return Ok();
  }
  FillMembers(from, *job, to);
  FillDetails(from, *job, to);
  return AddEvents(query, from, sources, to->mutable_events());
}

Status FillView(const v1::Query& query, const PartSources& from, const ViewSources& sources, v1::View* view) {
  switch (query.view()) {
    case v1::VIEW_KIND_TOP: AddHosts(from, view); [[fallthrough]];
    case v1::VIEW_KIND_QUEUE: FillLive(query, from, view); return Ok();
    case v1::VIEW_KIND_NODES: AddHosts(from, view); return Ok();
    case v1::VIEW_KIND_HISTORY: FillHistory(query, from, view); return Ok();
    case v1::VIEW_KIND_EVENTS:
      if (query.job() != 0) STILL_RETURN_IF_ERROR(JobAskedFor(query, from.state).status());
      return AddEvents(query, from, sources, view->mutable_events());
    case v1::VIEW_KIND_JOB:
    case v1::VIEW_KIND_WHY: return FillOneJob(query, from, sources, view);
    default: break;
  }
  return Error(Code::kInvalidArgument, "the coordinator does not know the view {}: the client is of another version",
               static_cast<int>(query.view()));
}

std::string ValidUtf8(const std::string& text) {
  std::string valid;
  icu::UnicodeString::fromUTF8(text).toUTF8String(valid);
  return valid;
}

// Replaces bytes that are not UTF-8, in all text below `message`: a client could not parse them.
void ReplaceInvalidText(google::protobuf::Message* message) {
  using google::protobuf::FieldDescriptor;
  const google::protobuf::Reflection& access = *message->GetReflection();
  std::vector<const FieldDescriptor*> fields;
  access.ListFields(*message, &fields);
  for (const FieldDescriptor* field : fields) {
    const int count = field->is_repeated() ? access.FieldSize(*message, field) : 1;
    for (int i = 0; i < count; ++i) {
      if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
        if (field->is_repeated()) {
          access.SetRepeatedString(message, field, i, ValidUtf8(access.GetRepeatedString(*message, field, i)));
        } else {
          access.SetString(message, field, ValidUtf8(access.GetString(*message, field)));
        }
      } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && !field->is_map()) {
        ReplaceInvalidText(field->is_repeated() ? access.MutableRepeatedMessage(message, field, i)
                                                : access.MutableMessage(message, field));
      }
    }
  }
}

}  // namespace

Result<v1::View> BuildView(const v1::Query& query, const State& state, const LiveJobs& live,
                           const std::map<std::uint64_t, Wait>& waits, const ViewSources& sources, UnixMs now) {
  if (query.pipeline() != 0 && !state.pipelines().contains(query.pipeline()))
    return Error(Code::kNotFound, "there is no pipeline {}", query.pipeline());
  v1::View view;
  view.set_view(query.view());
  view.set_now_ms(now);
  STILL_RETURN_IF_ERROR(FillView(query, {state, live, waits, now}, sources, &view));
  ReplaceInvalidText(&view);
  return view;
}

}  // namespace still::coordinator
