// The fake device as a plugin of still-worker (worker/device/device.h).
#include "tests/device/fake_device.h"
#include "worker/device/device.h"

extern "C" void StillOpenDevice(still::Status* outcome) {
  still::testing::InstallFakeDevice();
  *outcome = still::Ok();
}
