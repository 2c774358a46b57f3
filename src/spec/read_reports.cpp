#include "spec/sections.hpp"

namespace ffci::spec {

ReportsSpec read_reports(const Field& field) {
  ReportsSpec reports;
  Fields fields(field);
  reports.directory = fields.optional("directory").path().value_or(reports.directory);
  reports.junit = fields.optional("junit").path();
  reports.summary = fields.optional("summary").path();
  fields.not_supported({"ctrf", "kcidb", "markdown", "html", "events"});
  fields.finish();
  return reports;
}

}  // namespace ffci::spec
