// Engine: the scheduler. A pure state machine: it is told what happened and when, and answers with
// what to do next. No I/O, no clock, no threads, so that a run can be played in virtual time.
// Whatever happens, every selected test ends with exactly one TestFinished.
//
// Slowest first; retries after everything that was not tried yet, and on another host where there
// is one that takes the test before a slot has been idle for `wait_for_other_host`; a suite is set
// up on a host before its first test there and torn down after its last; a host that is lost is
// started again with back-off; the run ends when all tests are finished and all hosts are down.
//
// A life of a host goes from its start to its loss, and is fruitless when no test ended in it.
// After `host_starts` fruitless lives in a row the host is retired. A life that ended under a test
// which had lost a host before is not counted: that looks like the test's doing, and stops when the
// test's own budget, `max_host_restarts`, is used up, before it has cost a host. When each life
// ends under another test, there is no telling, and it counts.
//
// Tests of a suite that allows it share a batch, one command, when they are of one configuration
// and iteration, were not tried yet and need not be alone. They are taken in the queue's order as
// long as the batch is expected to end within its limit; a long one goes alone (see Workload).
// Whatever was tried before goes in a batch of its own.
//
// What a batch leaves undone: a test that was running when its time was up, its host was lost or
// its command ended is charged, and the tests that had not begun go back as they were. They are
// charged, as not run, when the command ended with no test running, or was stopped for its silence
// before any test had ended. So each batch that ends on a host that is up charges a test or ends
// one. A test that began while its batch was being stopped, and was stopped with it, is not charged
// when another one was. A batch is also stopped when a test says that what it left spoils the next.
//
// Two batches in a row of a suite in a slot, each with a test that was not tried before, in which
// no test passed, failed, was skipped, timed out or crashed: the slot takes no further batch of the
// suite in that life of the host. When that is so of each slot that took one and is not retired,
// the suite cannot be run on the host in that life of it.
//
// A test that failed for something another one on its host may have done, while another batch ran
// there, has one further attempt beside the failure retries; it is alone from then on.
//
// A test's last chance, when one more lost host would make it an error, is taken alone on a host,
// so that no other test can spoil it, and not on a host where it failed or that it lost as long as
// another one is up.
//
// A host that is not fit for another test, or not fresh enough for a rerun, is started anew when
// nothing runs there, as long as there are tests left: that counts against nobody.
//
// A suite whose set-up fails on a host is not run there in that life of the host; a set-up that
// twice loses the host has failed there for good, so that it can't cost the host. When no usable
// host is left for a suite, its tests are errors.
//
// Of a lost host, the tests that were running there are charged, once each, whether they were ended
// before LoseHost or by it; between the two nothing is started there. When a test's time was up
// before its host was lost, nobody knows which came of which: the first time the host is to blame,
// the second time the test.
//
// With a gate the run is not over when all tests are finished: the gate is asked, and may order
// reruns of suspects, on the change or on base hosts, as often as it likes. A rerun has one
// attempt, in a batch of its own, and rather on a host where neither the test nor another rerun of
// it has failed; a host that can be had anew is, before the reruns of each order, and after a rerun
// that was bad; a host that it loses is one more that its test has lost. Base hosts are started
// when the first rerun for them is ordered. A run that was stopped after failures, or for what
// could not end before the deadline, may still rerun what can. How it has ended is not changed by
// reruns for which no host was left, or not the time.
//
// A run that goes on after a break begins as it would have ended the moment before: what was
// running then is recorded as not run, which uses up no budget, and has its turn again.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/action.hpp"
#include "engine/engine_plan.hpp"
#include "engine/input.hpp"
#include "engine/workload.hpp"

namespace ffci {

// Why a run ends when all its hosts are retired.
inline constexpr std::string_view no_host_left = "no usable host was left";

class Engine {
 public:
  explicit Engine(EnginePlan plan);

  // `now` is the time since the run began; it never goes back. Inputs about batches and hosts that
  // are gone are ignored.
  [[nodiscard]] std::vector<Action> handle(Duration now, const Input& input);

 private:
  struct Test {
    std::size_t suite = 0;
    std::size_t company = 0;
    std::size_t rank = 0;
    int attempts = 0;
    int tries = 0;  // attempts that count: not those that ended with an earlier ff-ci
    int bad = 0, setup_failures = 0, hosts_lost = 0;  // budgets used
    bool alone = false;                               // nothing else may run on its host
    bool tried_alone = false;     // it was given an attempt because others may be to blame
    std::set<std::size_t> avoid;  // hosts on which an attempt of it did not pass
    Duration queued_at{};
    bool finished = false;
    std::optional<Duration> took;  // the last attempt that ran to an end of its own
    Purpose purpose = Purpose::verdict;
    std::size_t of = 0;     // the test that it is a rerun of, or itself: that one knows the hosts
    bool numbered = false;  // a rerun that has its number
    int last_rerun = 0;     // the last number that one of its reruns has
  };

  enum class Scope { none, setting_up, ready, unusable, tearing_down };
  struct SuiteOnHost {
    Scope scope = Scope::none;
    Duration stop_at = Duration::max();  // when set-up or teardown has taken too long
    int running = 0;
    std::string failure = {};  // why it is unusable
    bool set_up = false;       // and not torn down, usable or not
    // In a row, in which no test said anything, for each slot that took one of its batches.
    std::map<std::size_t, int> batches_in_vain = {};
    std::string why_in_vain = {};  // the last of them
    int setups_lost = 0;  // in a row: the host was lost while nothing else than this set-up ran
  };

  struct Slot {
    enum class Use { idle, batch, set_up, retired };
    Use use = Use::idle;
    BatchNumber batch = 0;
    std::size_t suite = 0;
    Duration idle_since{};  // or has had nothing but set-ups and tests that failed there
    bool alone = false;     // nothing else may run on the host meanwhile
    // The last that was heard of its batch was a test that ended as Crashed or HostLost.
    bool in_doubt = false;
  };
  struct Host {
    enum class State { starting, ready, backing_off, stopping, down, retired };
    State state = State::starting;
    std::string boot_id;
    std::vector<Slot> slots;
    std::vector<SuiteOnHost> suites;
    int fruitless_lives = 0;          // in a row, of those in which it was up
    int failed_starts = 0;            // since it was up
    std::optional<Duration> lost_at;  // when it was up last
    Duration start_at{};              // while backing off
    bool used = false;                // in this life
    std::string worn;                 // why it is to be started anew; empty: it is fit
    bool being_replaced = false;      // it was up, and soon is again
  };

  struct Batch {
    struct Place {
      std::size_t test = 0;  // by place in the plan
      int attempt = 0;       // its number; 0: it has not begun
      bool ended = false;
    };
    std::size_t host = 0;
    int slot = 1;
    std::size_t suite = 0;
    std::vector<Place> places;
    Duration started{}, expected_end{};
    std::optional<Duration> first_began, last_ended;  // of its tests
    std::optional<std::size_t> running;               // its place
    std::string files;                                // of the running test
    Duration began{};                                 // of the running test
    bool has_company = false;  // another batch ran on the host during the running test
    Duration most_silence = Duration::max();  // how long no test of it may run
    // When the running test has taken too long, or it was too long since one ran.
    Duration stop_at = Duration::max();
    bool ended_in_vain = false;  // the test that ran last has no result: the command ended with it
    bool lost_again = false;     // the test that ran last lost the host, and not the first one
    bool stopped = false;        // we stopped it
    bool hung = false;           // because no test ran for too long
    std::optional<Outcome> stopped_as;  // what that makes of the test that was running
    bool began_too_late = false;        // the running test: after the batch was stopped
    bool charged = false;               // an attempt in it has counted
    bool fruitful = false;              // a test in it has passed, failed, …
    std::string why_in_vain;            // while it is not
    bool untried = false;               // it has a test that was never tried
  };

  // On how many hosts a suite's tests could run. Counted anew when a host has changed.
  struct Places {
    std::size_t usable = 0;  // up, or may yet be, and the set-up has not failed
    std::size_t up = 0;      // of these; those that are replaced are as good as up
    std::size_t set_up = 0;  // set up, and not torn down
    std::size_t slots = 0;   // of the usable ones, as many as the suite may use
  };

  // Retries later: the number of earlier tries, then the rank.
  using Turn = std::pair<int, std::size_t>;

  enum class Ending { no, stop_starting, in_order, at_once };

  void on(const input::Begin&);
  void on(const input::Resume&);
  void on(const input::AcceptHost&);
  void on(const input::LoseHost&);
  void on(const input::ReplaceHost&);
  void on(const input::FinishSetUp&);
  void on(const input::FinishTearDown&);
  void on(const input::BeginTest&);
  void on(const input::EndTest&);
  void on(const input::KeepFiles&);
  void on(const input::EndBatch&);
  void on(const input::OrderReruns&);
  void on(const input::AcceptJudgement&);
  void on(const input::FinishHost&);
  void on(const input::Tick&);
  void on(const input::Interrupt&);
  void on(const input::Abandon&);

  void advance();
  void remind(Duration at);
  void end_at_deadline();
  void do_what_is_due();
  void replace_worn_hosts();
  void count_places();
  void give_up_unusable_suites();
  void fill_slots(std::size_t host);
  void give_up_what_cannot_end_in_time();
  void ask_gate();
  void tear_down_finished_suites();
  void wind_up();
  void ask_to_be_woken();

  struct Pick {
    std::size_t suite = 0, test = 0;
  };
  [[nodiscard]] std::optional<Pick> pick(std::size_t host, std::size_t slot);
  [[nodiscard]] std::optional<std::size_t> first_runnable(std::size_t suite, std::size_t host,
                                                          const Slot& slot, bool host_idle);
  [[nodiscard]] Duration may_run_from(const Test& test, std::size_t host, const Slot& slot) const;
  [[nodiscard]] bool wants_to_be_alone(const Test& test) const;
  [[nodiscard]] bool is_last_chance(const Test& test) const;
  [[nodiscard]] bool is_as_good_as_up(const Host& host) const;
  [[nodiscard]] bool usable(std::size_t host, std::size_t suite) const;
  [[nodiscard]] std::size_t usable_slots(std::size_t host, std::size_t suite) const;
  [[nodiscard]] int device_sets(std::size_t host) const;
  void start_batch(std::size_t host, std::size_t slot, Pick pick);
  [[nodiscard]] bool shares_batches(std::size_t suite) const;
  [[nodiscard]] std::vector<std::size_t> take_batch(std::size_t first);

  [[nodiscard]] Slot& slot_of(const Batch& batch);
  [[nodiscard]] Duration most_silence(const Batch& batch) const;
  void wait_for_next_test(Batch& batch);
  void stop(BatchNumber number, Batch& batch, Urgency urgency);
  void end_attempt(Batch& batch, std::size_t place, Attempt result, bool shared_blame = false);
  void close_batch(BatchNumber number, const std::optional<std::string>& why_not_begun);
  void learn_call(const Batch& batch);
  void judge(const Batch& batch);
  [[nodiscard]] bool in_vain(std::size_t host, std::size_t slot, std::size_t suite) const;
  void give_up_in_vain(std::size_t host, std::size_t suite);
  void put_back(std::size_t test);
  void remember(std::size_t test, const TestResult& earlier);
  void remember_host(Test& test, const Attempt& ended);
  [[nodiscard]] bool may_try_again(const Test& test, const Outcome& outcome) const;
  void start_hosts();
  void add_rerun(std::size_t of, Purpose purpose);
  void prepare_for_reruns(std::size_t host);
  void renew(std::size_t host, const std::string& why);
  [[nodiscard]] std::string why_no_reruns() const;
  [[nodiscard]] bool for_base_hosts(std::size_t suite) const { return suite >= suites_; }
  [[nodiscard]] std::size_t outside(std::size_t suite) const { return suite % suites_; }
  [[nodiscard]] std::size_t inside(std::size_t host, std::size_t suite) const {
    return plan_.hosts[host].base ? suite + suites_ : suite;
  }
  void reserve_attempt(std::size_t test);
  int next_attempt(std::size_t test);
  void decide(std::size_t test, const Outcome& outcome, std::size_t host);
  void queue(std::size_t test);
  void unqueue(std::size_t test);
  void leave_company(std::size_t test);
  [[nodiscard]] std::vector<std::size_t> take_pending(std::size_t suite);
  void finish_test(std::size_t test, std::optional<std::string> not_run = {});
  void finish_pending(const std::string& why);
  void end_run(Ending ending, RunFinished how, const std::string& why);
  void stop_batches(Urgency urgency, const Outcome& stopped_as);
  void retire(std::size_t host, const std::string& why);
  [[nodiscard]] bool may_use_any_host() const;
  void record(decltype(RunEvent::fact) fact);

  enum class Gate {
    none,   // there is none, or it has judged
    ahead,  // it is to be asked
    asked,
  };

  // Of the suites each is there twice when there are base hosts: what runs on those is a suite of
  // its own, which nothing outside knows.
  EnginePlan plan_;
  std::size_t suites_ = 0;
  std::vector<Test> tests_;  // and the reruns behind them
  std::vector<Host> hosts_;
  std::vector<std::map<Turn, std::size_t>> pending_;  // by suite
  // Of the pending tests, those that may share a batch, by rank; a company for each suite,
  // configuration and iteration.
  std::vector<std::map<std::size_t, std::size_t>> companies_;
  std::vector<Workload> workloads_;    // of what is in companies_, by suite
  std::vector<std::size_t> too_late_;  // not expected to end before the deadline any more
  std::vector<std::size_t> unfinished_in_suite_;
  std::size_t unfinished_ = 0;
  int bad_tests_ = 0;
  std::vector<Places> places_;  // by suite
  bool hosts_changed_ = true;
  std::map<BatchNumber, Batch> batches_;
  BatchNumber last_batch_ = 0;

  Ending ending_ = Ending::no;
  RunFinished how_;
  std::string why_ended_;
  Gate gate_ = Gate::none;
  bool rerunning_ = false;
  std::size_t reruns_begun_ = 0;  // since they were ordered
  bool begun_ = false;
  bool finished_ = false;
  std::uint64_t sequence_ = 0;
  Duration now_{};
  Duration due_ = Duration::max();  // nothing that takes too long or waits is due before
  Duration wake_at_ = Duration::max();
  std::vector<Action> actions_;
};

}  // namespace ffci
