#include "spec/load_job_spec.hpp"

#include <fmt/format.h>

#include <utility>

#include "base/text.hpp"
#include "spec/environment.hpp"
#include "spec/overrides.hpp"
#include "spec/sections.hpp"

namespace ffci {
namespace {

using namespace spec;

std::optional<std::string> home_of(const SpecSource& source) {
  std::optional<std::string> home = source.environment ? source.environment("HOME") : std::nullopt;
  return home && home->starts_with('/') ? home : std::nullopt;
}

JobSpec read_job(const Field& document, const SpecSource& source) {
  JobSpec job;
  job.source = source.text;
  job.name = printable_line(std::filesystem::path(source.shown_name).stem().string(), 200);
  Fields fields(document);
  static_cast<void>(fields.required("version").whole(1, 1));
  job.name = fields.optional("name").title().value_or(job.name);
  HostsSpec hosts = read_hosts(fields.optional("hosts"));
  job.gate = read_gate(fields.optional("gate"), hosts);
  hosts.base = job.gate.base;
  job.suites = read_suites(fields.required("suites"), hosts);
  job.local = std::move(hosts.local);
  job.remote = std::move(hosts.remote);
  job.run = read_run(fields.optional("run"));
  job.reports = read_reports(fields.optional("reports"));
  // A relative default is where the file could have named it.
  job.reports.directory = (source.directory / job.reports.directory).lexically_normal().string();
  fields.not_supported({"environments"});
  fields.finish();
  return job;
}

}  // namespace

tl::expected<JobSpec, std::vector<SpecComplaint>> load_job_spec(
    const SpecSource& source, const std::vector<SpecOverride>& overrides) {
  const std::optional<std::string> home = home_of(source);
  const Origin file{SpecComplaint::Origin::file, source.shown_name, source.directory, home};
  std::vector<Origin> origins;
  for (const SpecOverride& override : overrides) {
    origins.push_back({SpecComplaint::Origin::command_line, shown_name(override),
                       source.working_directory, home});
  }

  JobSpec job;
  Complaints complaints;
  std::optional<Value> document = parse_yaml(source.text, file, complaints);
  if (document && document->kind == Value::Kind::null) {
    complaints.add(document->at, "the job spec is empty; it begins with 'version: 1'");
  } else if (document) {
    for (size_t i = 0; i < overrides.size(); ++i) {
      apply_override(*document, overrides[i], origins[i], complaints);
    }
    replace_variables(*document, source.environment, complaints);
    job = read_job(Field(&*document, "", complaints), source);
  }
  if (!complaints.empty()) return tl::unexpected(complaints.sorted());
  return job;
}

}  // namespace ffci
