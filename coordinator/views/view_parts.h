// The parts of a view (views.h): jobs, reasons, hosts and events. Metrics are made of them, too.
#pragma once

#include <cstdint>
#include <map>

#include "common/proto/view.pb.h"
#include "coordinator/jobs/state.h"
#include "coordinator/scheduler/scheduler.h"
#include "coordinator/views/live_jobs.h"

namespace still::coordinator {

// Everything that the parts are made of.
struct PartSources {
  const State& state;
  const LiveJobs& live;
  const std::map<std::uint64_t, Wait>& waits;
  UnixMs now_ms = 0;
};

// Fills in the fields that every view of a job has.
void FillJob(const PartSources& from, const v1::Job& job, v1::JobView* to);
// Adds the ranks and the goodput.
void FillMembers(const PartSources& from, const v1::Job& job, v1::JobView* to);
// Adds the artifact, the reasons and the curve. The events are added by views.cc.
void FillDetails(const PartSources& from, const v1::Job& job, v1::JobView* to);

void AddReasons(const PartSources& from, const v1::Job& job, google::protobuf::RepeatedPtrField<v1::ReasonView>* to);
void AddHosts(const PartSources& from, v1::View* to);
void FillEvent(const State& state, const v1::HistoryEvent& event, v1::EventView* to);

}  // namespace still::coordinator
