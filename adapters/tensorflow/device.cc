// SPDX-License-Identifier: Apache-2.0
// TensorFlow's CPU device, which announces each kernel before and after it computes. Everything that runs kernels on
// the CPU (executors, eager calls, functions of tf.data) goes through it.
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "accesses.h"
#include "kernels.h"
#include "runtime_handle.h"
#include "tensorflow/core/common_runtime/device_factory.h"
#include "tensorflow/core/common_runtime/process_state.h"
#include "tensorflow/core/common_runtime/threadpool_device.h"
#include "tensorflow/core/platform/numa.h"
#include "tensorflow/core/public/session_options.h"

namespace deeptm_tensorflow {

using deeptm_adapter::runtime;
using deeptm_adapter::say;

namespace {

void begin(deeptm_scope& scope, const KernelInfo& info, tensorflow::OpKernelContext& context) {
  Accesses inputs(deeptm_recording(runtime()) != 0);
  inputs.add_inputs(context, info.writes_variables);
  deeptm_kernel_begin(runtime(), &scope, info.number, context.step_id(), inputs.data(), inputs.size());
}

void end(deeptm_scope& scope, bool writes_variables, tensorflow::OpKernelContext& context) {
  Accesses outputs(deeptm_recording(runtime()) != 0);
  if (context.status().ok()) outputs.add_outputs(context, writes_variables);
  deeptm_kernel_end(runtime(), &scope, outputs.data(), outputs.size());
}

// The scope of an asynchronous kernel, which may be done before its start returns: the later of the two deletes it.
struct AsyncScope {
  deeptm_scope scope;
  std::atomic<int> holders{2};
  void release() {
    if (holders.fetch_sub(1) == 1) delete this;
  }
};

class AnnouncingDevice : public tensorflow::ThreadPoolDevice {
 public:
  using ThreadPoolDevice::ThreadPoolDevice;

  void Compute(tensorflow::OpKernel* kernel, tensorflow::OpKernelContext* context) override {
    const KernelInfo& info = kernel_info(*kernel);
    const bool writes_variables = info.writes_variables;  // a function kernel runs others, which move `info`
    deeptm_scope scope;
    begin(scope, info, *context);
    ThreadPoolDevice::Compute(kernel, context);
    end(scope, writes_variables, *context);
  }

  void ComputeAsync(tensorflow::AsyncOpKernel* kernel, tensorflow::OpKernelContext* context,
                    tensorflow::AsyncOpKernel::DoneCallback done) override {
    const KernelInfo& info = kernel_info(*kernel);
    const bool writes_variables = info.writes_variables;
    auto* held = new AsyncScope;
    begin(held->scope, info, *context);
    ThreadPoolDevice::ComputeAsync(kernel, context, [=, done = std::move(done)] {
      end(held->scope, writes_variables, *context);
      held->release();
      done();
    });
    deeptm_kernel_detach(runtime(), &held->scope);
    held->release();
  }
};

// As TensorFlow's own factory makes them.
class AnnouncingDeviceFactory : public tensorflow::DeviceFactory {
 public:
  absl::Status ListPhysicalDevices(std::vector<std::string>* devices) override {
    devices->push_back("/physical_device:CPU:0");
    return absl::OkStatus();
  }

  absl::Status CreateDevices(const tensorflow::SessionOptions& options, const std::string& name_prefix,
                             std::vector<std::unique_ptr<tensorflow::Device>>* devices) override {
    const auto& counts = options.config.device_count();
    const auto count = counts.find("CPU");
    const int wanted = count == counts.end() ? 1 : count->second;
    if (runtime() != nullptr) report_threads(options.config.inter_op_parallelism_threads());
    for (int i = 0; i < wanted; ++i) {
      const std::string name = name_prefix + "/device:CPU:" + std::to_string(i);
      devices->push_back(make(options, name));
    }
    return absl::OkStatus();
  }

 private:
  // The script's own setting: 0 if it has none, and then the environment's counts.
  static void report_threads(int inter_op) {
    if (inter_op == 0 || inter_op == 1) return;
    const std::string line = "note: the script sets " + std::to_string(inter_op) +
                             " inter-op threads: the order of kernels, and so the last bits of the result, vary from "
                             "run to run";
    say(DEEPTM_LOG_INFO, line.c_str());
  }

  static std::unique_ptr<tensorflow::Device> make(const tensorflow::SessionOptions& options, const std::string& name) {
    auto* allocator = tensorflow::ProcessState::singleton()->GetCPUAllocator(tensorflow::port::kNUMANoAffinity);
    const tensorflow::Bytes memory(256 << 20);  // a figure for placement that TensorFlow gives every CPU
    if (runtime() == nullptr) {
      return std::make_unique<tensorflow::ThreadPoolDevice>(options, name, memory, tensorflow::DeviceLocality(),
                                                            allocator);
    }
    return std::make_unique<AnnouncingDevice>(options, name, memory, tensorflow::DeviceLocality(), allocator);
  }
};

}  // namespace
}  // namespace deeptm_tensorflow

namespace tensorflow {

// TensorFlow's own is registered at 70 or below.
REGISTER_LOCAL_DEVICE_FACTORY("CPU", deeptm_tensorflow::AnnouncingDeviceFactory, 210);

}  // namespace tensorflow
