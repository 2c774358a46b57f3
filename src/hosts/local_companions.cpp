#include "hosts/local_companions.hpp"

#include <fmt/format.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "hosts/remote_script.hpp"

namespace ffci {
namespace {

constexpr Duration tracer_start_limit = std::chrono::seconds(20);
constexpr Duration files_limit = std::chrono::minutes(5);

}  // namespace

LocalCompanions::LocalCompanions(boost::asio::io_context& loop, const Command& command,
                                 Options options, CommandObserver& observer,
                                 std::function<void()> on_over)
    : loop_(loop),
      command_(command),
      options_(std::move(options)),
      observer_(observer),
      on_over_(std::move(on_over)),
      deadline_(loop) {}

LocalCompanions::~LocalCompanions() = default;

void LocalCompanions::begin(std::function<void()> start) {
  start_ = std::move(start);
  if (options_.tracer.empty()) return tracer_is_ready();
  phase_ = Phase::tracer_starting;
  const auto ready = [this] {
    if (phase_ == Phase::tracer_starting) tracer_is_ready();
  };
  tracer_ = start_process(trace_script("local", options_.tracer), Stream::trace, ready, [this] {
    if (phase_ == Phase::tracer_starting) tracer_is_ready();
    if (phase_ == Phase::tracer_ending) fetch_files();
  });
  if (!tracer_) return tracer_is_ready();
  deadline_.set(tracer_start_limit, ready);
}

void LocalCompanions::tracer_is_ready() {
  deadline_.cancel();
  phase_ = Phase::running;
  if (!stopped_) return start_();
  CommandEnd end;
  end.stopped = true;
  on_end(end, {});
}

void LocalCompanions::stop(Urgency urgency) {
  stopped_ = true;
  if (phase_ == Phase::tracer_starting) tracer_is_ready();
  if (phase_ == Phase::files && files_) files_->stop(urgency);
}

void LocalCompanions::take_files_from(std::string temporary, std::function<void()> release) {
  temporary_ = std::move(temporary);
  release_ = std::move(release);
}

void LocalCompanions::on_output(Stream stream, std::string_view bytes) {
  observer_.on_output(stream, bytes);
}

void LocalCompanions::on_end(const CommandEnd& end,
                             const std::optional<std::string>& slot_unusable) {
  end_ = end;
  slot_unusable_ = slot_unusable;
  phase_ = Phase::tracer_ending;
  if (!tracer_ || !tracer_->is_running()) return fetch_files();
  tracer_->stop(Urgency::in_order);
}

void LocalCompanions::fetch_files() {
  phase_ = Phase::files;
  const bool has_place = !command_.files_in_temporary || release_;
  if (command_.files.empty() || slot_unusable_ || !has_place) return finish();
  const std::string directory = command_.files_in_temporary
                                    ? temporary_ + "/" + *command_.files_in_temporary
                                    : command_.directory;
  files_ = start_process(
      files_script(directory, command_.files, options_.archive_limit), Stream::archive, [] {},
      [this] { finish(); });
  if (!files_) {
    end_.files_problem = "tar could not be started";
    return finish();
  }
  deadline_.set(files_limit, [this] {
    end_.files_problem = fmt::format("they took longer than {}", human_duration(files_limit));
    files_->stop(Urgency::at_once);
  });
}

void LocalCompanions::finish() {
  phase_ = Phase::over;
  deadline_.cancel();
  if (release_) release_();
  observer_.on_end(end_, slot_unusable_);
  on_over_();
}

std::unique_ptr<SupervisedProcess> LocalCompanions::start_process(
    const std::string& text, Stream output, std::function<void()> on_output,
    std::function<void()> on_process_end) {
  Command command;
  command.command = text;
  SupervisedProcess::Callbacks callbacks;
  callbacks.on_output = [this, output, on_output = std::move(on_output)](Stream stream,
                                                                         std::string_view bytes) {
    observer_.on_output(stream == Stream::standard_output ? output : Stream::standard_error, bytes);
    on_output();
  };
  callbacks.on_end = [on_process_end = std::move(on_process_end)](
                         const CommandEnd&, const std::optional<std::string>&,
                         const std::optional<std::string>&) { on_process_end(); };
  auto started = SupervisedProcess::start(loop_, command, options_.process, std::move(callbacks));
  if (!started) {
    observer_.on_output(output == Stream::trace ? Stream::trace : Stream::standard_error,
                        fmt::format("ff-ci: {}\n", started.error().message));
    return nullptr;
  }
  return std::move(*started);
}

}  // namespace ffci
