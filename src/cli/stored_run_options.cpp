// What was typed behind the commands about runs that are stored.
#include <fmt/format.h>

#include "cli/command_line.hpp"
#include "cli/options.hpp"
#include "store/recordings.hpp"

namespace ffci {

Result<Parsed<ReportChoices>> parse_report(const Arguments& arguments) {
  po::options_description here("Reports");
  here.add_options()                                                 //
      ("results-dir", text("DIR"), "where runs are kept (results)")  //
      ("junit", text("FILE"), "also write the JUnit report there")   //
      ("summary", text("FILE"), "also write summary.json there");
  Shape shape{
      fmt::format(
          "Usage: ff-ci report [OPTION…] [SOURCE]\n\n"
          "Writes the reports of a stored run again, the same bytes from the same events, "
          "and prints its\nsummary. Exits as that run did. A lone summary.json is printed, and "
          "written only where --junit\nand --summary say.\n\n{}",
          source_help),
      {}};
  shape.options.add(here).add(console_options());
  return parse_with<ReportChoices>(
      arguments, std::move(shape),
      [](const po::variables_map& found, ReportChoices& choices) -> Result<void> {
        const Arguments sources = all_given(found, positional_name);
        if (sources.size() > 1) return fail(ErrorKind::usage, "more than one SOURCE was given");
        if (!sources.empty()) choices.source = sources.front();
        choices.results = given(found, "results-dir").value_or(choices.results);
        choices.junit = given(found, "junit");
        choices.summary = given(found, "summary");
        return assign(choices.console, console_of(found));
      });
}

Result<Parsed<MergeChoices>> parse_merge(const Arguments& arguments) {
  po::options_description here("Reports");
  here.add_options()                                                          //
      ("results-dir", text("DIR"), "where the merged run is kept (results)")  //
      ("junit", text("FILE"), "also write the JUnit report there")            //
      ("summary", text("FILE"), "also write summary.json there");
  Shape shape{
      "Usage: ff-ci merge [OPTION…] RUN…\n\n"
      "Joins the shards of a plan, each run with `ff-ci run --shard I/N`, into one run with all "
      "reports,\n"
      "and exits as that run would have. All shards must be there, once, and of the same plan. "
      "RUN: "
      "the\n"
      "path of a run's folder, or a run id in the results directory.\n\n",
      {}};
  shape.options.add(here).add(console_options());
  return parse_with<MergeChoices>(
      arguments, std::move(shape),
      [](const po::variables_map& found, MergeChoices& choices) -> Result<void> {
        choices.sources = all_given(found, positional_name);
        if (choices.sources.empty())
          return fail(ErrorKind::usage, "no run was given; expected RUN…");
        choices.results = given(found, "results-dir").value_or(choices.results);
        choices.junit = given(found, "junit");
        choices.summary = given(found, "summary");
        return assign(choices.console, console_of(found));
      });
}

Result<Parsed<RecordChoices>> parse_record(const Arguments& arguments) {
  po::options_description here("The recording");
  here.add_options()                                                 //
      ("source", text("SOURCE"), "the run (default: latest)")        //
      ("results-dir", text("DIR"), "where runs are kept (results)")  //
      ("force", po::bool_switch(), "also when the label leads to another run");
  Shape shape{
      fmt::format("Usage: ff-ci record [OPTION…] [LABEL]\n\n"
                  "Makes DIR/recordings/LABEL lead to a run; without LABEL it has the run's id. "
                  "ff-ci deletes no\nrecordings.\n\n{}",
                  source_help),
      {}};
  shape.options.add(here);
  return parse_with<RecordChoices>(
      arguments, std::move(shape),
      [](const po::variables_map& found, RecordChoices& choices) -> Result<void> {
        const Arguments labels = all_given(found, positional_name);
        if (labels.size() > 1) return fail(ErrorKind::usage, "more than one LABEL was given");
        if (!labels.empty()) choices.label = labels.front();
        choices.source = given(found, "source").value_or(choices.source);
        choices.results = given(found, "results-dir").value_or(choices.results);
        choices.force = found["force"].as<bool>();
        return labels.empty() ? Result<void>() : check_label(choices.label);
      });
}

Result<Parsed<CompareChoices>> parse_compare(const Arguments& arguments) {
  po::options_description here("Runs");
  here.add_options()                                                          //
      (",a", text("SOURCE"), "the earlier run (default: the one before -b)")  //
      (",b", text("SOURCE"), "the later run (default: latest)")               //
      ("results-dir", text("DIR"), "where runs are kept (results)");
  po::options_description output("Output");
  output.add_options()                                                                      //
      ("json", po::bool_switch(), "as JSON, see schemas/comparison.schema.json")            //
      ("markdown", po::bool_switch(), "as Markdown, for example for $GITHUB_STEP_SUMMARY")  //
      ("strict-baseline", po::bool_switch(), "exit with 3 when tests are fixed or vanished");
  Shape shape{
      fmt::format(
          "Usage: ff-ci compare [-a SOURCE] [-b SOURCE] [OPTION…]\n\n"
          "Says what changed from run a to run b, test by test. Exits with 1 when tests "
          "fail in b that did\nnot in a, or the kernel reports there what it did not; with 5 "
          "when that can't be known.\n\n{}",
          source_help),
      {}};
  shape.options.add(here).add(output);
  return parse_with<CompareChoices>(
      arguments, std::move(shape),
      [](const po::variables_map& found, CompareChoices& choices) -> Result<void> {
        if (found.count(positional_name) > 0)
          return fail(ErrorKind::usage, "compare takes its runs with -a and -b");
        choices.a = given(found, "-a").value_or(choices.a);
        choices.b = given(found, "-b").value_or(choices.b);
        choices.results = given(found, "results-dir").value_or(choices.results);
        choices.strict_baseline = found["strict-baseline"].as<bool>();
        const bool json = found["json"].as<bool>(), markdown = found["markdown"].as<bool>();
        if (json && markdown)
          return fail(ErrorKind::usage, "--json and --markdown exclude each other");
        if (json) choices.format = CompareChoices::Format::json;
        if (markdown) choices.format = CompareChoices::Format::markdown;
        return {};
      });
}

Result<Parsed<HistoryChoices>> parse_history(const Arguments& arguments) {
  po::options_description here("History");
  here.add_options()                                                                    //
      ("number,n", text("N"), "at most so many runs, or results of each test (20)")     //
      ("json", po::bool_switch(), "print JSON, as schemas/history.schema.json has it")  //
      ("rebuild", po::bool_switch(), "make the history anew from the runs' folders")    //
      ("results-dir", text("DIR"), "where runs are kept (results)");
  Shape shape{
      "Usage: ff-ci history [OPTION…] [TEST…]\n\n"
      "Lists the runs that are known, the newest first; or of each TEST (SUITE, SUITE/TEST, TEST, "
      "with\n"
      "* ? [] as in a shell) what became of it, how often it goes wrong, and how long it "
      "takes.\n\n",
      {}};
  shape.options.add(here);
  return parse_with<HistoryChoices>(
      arguments, std::move(shape),
      [](const po::variables_map& found, HistoryChoices& choices) -> Result<void> {
        choices.patterns = all_given(found, positional_name);
        choices.json = found["json"].as<bool>();
        choices.rebuild = found["rebuild"].as<bool>();
        choices.results = given(found, "results-dir").value_or(choices.results);
        if (choices.rebuild && (choices.json || !choices.patterns.empty()))
          return fail(ErrorKind::usage, "--rebuild takes no TEST and no --json");
        if (const auto number = given(found, "number"))
          return assign(choices.most, whole_number("-n", *number));
        return {};
      });
}

}  // namespace ffci
