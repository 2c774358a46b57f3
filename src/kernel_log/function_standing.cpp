#include "kernel_log/function_standing.hpp"

#include <algorithm>
#include <iterator>
#include <vector>

#include "base/text.hpp"

namespace ffci::kernel_log {
namespace {

// Names with a space after each. One that ends with '*' stands for all that begin so.
constexpr std::string_view machinery =
    // Printing.
    "dump_stack* show_stack* show_regs* show_trace* dump_backtrace* unwind_backtrace "
    "walk_stackframe arch_stack_walk stack_trace_save* save_stack* print_report "
    "print_address_description* nmi_cpu_backtrace* nmi_trigger_cpumask_backtrace* "
    "arch_trigger_cpumask_backtrace* sched_show_task _sched_show_task "
    "unwind_* __unwind_* __save_stack_trace* "
    "show_state* dump_cpu_task "
    // WARN, BUG, panic, die.
    "__warn* warn_slowpath* report_bug __report_bug handle_bug fixup_bug* bug_handler "
    "call_break_hook brk_handler do_trap* do_error_trap* do_invalid_op* invalid_op exc_* "
    "asm_exc_* do_int3* panic vpanic nmi_panic die __die* die_* oops_* make_task_dead "
    "__stack_chk_fail page_fault* async_page_fault do_page_fault* __do_page_fault "
    "do_user_addr_fault do_kern_addr_fault bad_area* __bad_area* no_context "
    "kernelmode_fixup_or_oops error_entry general_protection* do_general_protection "
    "double_fault el1_abort el1h_64_sync* el1_sync* el1_dbg el1_da el1_bti el1_brk64 "
    "do_el1_brk64 do_mem_abort do_debug_exception do_translation_fault do_bad_area do_sea "
    "do_tag_check_fault __do_kernel_fault do_kernel_fault* do_alignment_fault "
    "handle_exception do_trap_* program_check_* emulation_assist_* interrupt_return* "
    "bad_page_fault __do_pgm_check pgm_check_* monitor_event_* check_panic_on_warn "
    // Sanitizers.
    "kasan_* __kasan_* __asan_* __hwasan_* check_memory_region* check_region_inline kmsan_* "
    "__kmsan_* __msan_* kcsan_* __tsan_* kfence_* __kfence_* ubsan_* __ubsan_* "
    "handle_overflow __sanitizer_* write_comp_data stack_trace_consume_entry fortify_panic "
    "__fortify_* end_report start_report "
    // Lock and context checks.
    "lockdep_* print_circular_bug* print_bad_irq_dependency print_usage_bug* "
    "print_deadlock_bug print_irq_inversion_bug* print_unlock_imbalance_bug "
    "print_freed_lock_bug print_lock_* print_bfs_bug check_prev_add check_prevs_add "
    "check_noncircular check_path check_usage* check_irq_usage check_deadlock "
    "check_wait_context check_flags* check_chain_key validate_chain __lock_acquire "
    "lock_acquire* lock_release* __lock_release* __lock_set_class lock_set_class "
    "register_lock_class assign_lock_key look_up_lock_class mark_lock* mark_held_locks "
    "mark_usage lock_is_held* debug_check_no_locks* debug_locks_off __bfs trace_hardirqs_* "
    "trace_softirqs_* __trace_hardirqs_* __might_resched __might_sleep ___might_sleep "
    "__might_fault might_fault __schedule_bug __cant_sleep debug_smp_processor_id "
    "check_preemption_disabled __this_cpu_preempt_check warn_bogus_irq_restore spin_dump "
    "spin_bug rwlock_bug debug_object* __debug_object* debug_print_object "
    "debug_check_no_obj* __debug_check_no_obj* object_err print_trailer slab_err __slab_err "
    "slab_bug slab_fix check_object check_bytes_and_report free_debug_processing "
    "alloc_debug_processing slab_pad_check list_slab_objects bad_page free_page_is_bad* "
    "print_page_info print_bad_pte debug_lockdep_rcu_enabled rcu_is_watching "
    "rcu_read_lock_held* rcu_read_lock_sched_held rcu_read_lock_bh_held rcu_read_lock_any_held "
    // Stalls: the timer that notices.
    "rcu_dump_cpu_stacks "
    "watchdog rcu_sched_clock_irq rcu_check_callbacks rcu_pending print_cpu_stall* "
    "print_other_cpu_stall check_cpu_stall synchronize_rcu_expedited_wait* "
    "update_process_times __hrtimer_run_queues __run_hrtimer "
    "local_apic_timer_interrupt smp_apic_timer_interrupt* smp_trace_apic_timer_interrupt* "
    "__sysvec_* sysvec_* asm_call_on_stack asm_call_sysvec_on_stack arch_timer_handler_* "
    "softlockup_* nmi_handle* default_do_nmi do_nmi "
    "end_repeat_nmi nmi handle_percpu_devid_irq handle_irq_desc generic_handle_domain_irq "
    "gic_handle_irq do_interrupt_handler call_on_irq_stack "
    // File systems that report themselves.
    "xfs_error_report xfs_corruption_error xfs_buf_corruption_error xfs_verifier_error "
    "xfs_inode_verifier_error xfs_buf_verifier_error xfs_hex_dump assfail asswarn assertfail "
    "btrfs_assertfail __btrfs_panic __btrfs_abort_transaction __ext4_error* ext4_error* "
    "ext4_handle_error "
    // Entry and start of a stack, what the compiler puts in between, injected faults.
    "entry_* do_syscall_64 x64_sys_call do_fast_syscall_32 __do_fast_syscall_32 do_int80* "
    "__do_syscall system_call* syscall_exit* sysenter_* invoke_syscall* el0_svc* do_el0_svc "
    "el0t_64_sync* el0_sync* ret_from_fork* ret_from_kernel_thread ret_from_exception "
    "ret_fast_syscall do_trap_ecall_u handle_syscall kernel_thread_starter "
    "retint_* __x86_indirect_thunk_* should_fail* __should_fail* fail_dump "
    "start_kernel_thread secondary_startup* start_secondary x86_64_start_* start_kernel ";

constexpr std::string_view generic =
    // Scheduling and waiting.
    "schedule schedule_* __schedule* io_schedule* preempt_schedule* context_switch "
    "__switch_to* __cond_resched ___preempt_schedule* finish_task_switch _cond_resched "
    "bit_wait* __wait_on_bit* out_of_line_wait_on_bit* wait_on_page_bit_common "
    "folio_wait_bit_common wait_for_completion* wait_for_common* __wait_for_common "
    "do_wait_for_common smp_call_function* on_each_cpu* native_safe_halt default_idle* "
    "arch_cpu_idle __wake_up* "
    // Locks.
    "call_rwsem_down_* rwsem_wake* _raw_spin_* _raw_read_* _raw_write_* __raw_spin_* "
    "do_raw_* native_queued_* queued_spin_* queued_read_* queued_write_* pv_queued_* "
    "__pv_queued_* spin_* rt_spin_* mutex_* __mutex_* rt_mutex_* __rt_mutex_* ww_mutex_* "
    "down up down_* __down* up_* __up_* rwsem_* percpu_down_* percpu_up_* __percpu_down_* "
    "percpu_rwsem_* osq_lock refcount_* kref_* lock_timer_base "
    // Memory, strings and containers.
    "usercopy_* __check_object_size __check_heap_object check_heap_object string strnstr "
    "strstr strchr read_word_at_a_time memcpy* __memcpy* memset* __memset* memmove* "
    "__memmove* memcmp memchr* strlen strnlen strcmp strncmp strcpy strscpy sized_strscpy "
    "kfree* kvfree* __kfree* vfree kmalloc* __kmalloc* krealloc* kvmalloc* __kvmalloc* "
    "__do_kmalloc_node kzalloc* kmem_cache_* __kmem_cache_* do_kmem_cache_* slab_* __slab_* "
    "___slab_* free_to_partial_list allocate_slab list_* __list_* copy_*_user _copy_* "
    "__arch_copy_* copy_user_* rep_movs_alternative __alloc_pages* alloc_pages* "
    "__alloc_frozen_pages* ___kmalloc_large_node free_large_kmalloc __vmalloc_node* vmalloc "
    "vzalloc __phys_addr rb_* __rb_* xas_start xas_load xas_find __read_once_word_nocheck "
    "qlist_free_all qlink_free quarantine_reduce "
    // Whatever else is called from everywhere.
    "do_exit perf_* __perf_* hrtimer_* tick_* watchdog_* "
    "vprintk* _printk printk console_unlock console_flush* pointer vsnprintf vscnprintf "
    "snprintf ftrace_* arch_ftrace_* folio_unlock unlock_page __mod_timer mod_timer "
    "drop_nlink ihold iput iput_final mark_buffer_dirty dput fast_dput ";

constexpr std::string_view interrupt_entries =
    "asm_sysvec_* apic_timer_interrupt asm_common_interrupt common_interrupt ret_from_intr "
    "reschedule_interrupt el1_irq el1h_64_irq* el1_interrupt do_irq __irq_svc io_int_handler "
    "ext_int_handler asm_exc_nmi decrementer_common* hardware_interrupt_* call_function_* "
    "asm_call_irq_on_stack ";

class Names {
 public:
  explicit Names(std::string_view list) {
    for (std::string_view name : split(list, ' ')) {
      if (name.empty()) continue;
      if (name.ends_with('*')) {
        beginnings_.push_back(name.substr(0, name.size() - 1));
      } else {
        names_.push_back(name);
      }
    }
    std::sort(names_.begin(), names_.end());
    std::sort(beginnings_.begin(), beginnings_.end());
    // Where none begins with another, only the greatest that is not above a name can begin it.
    const auto end = std::unique(beginnings_.begin(), beginnings_.end(),
                                 [](std::string_view shorter, std::string_view longer) {
                                   return longer.starts_with(shorter);
                                 });
    beginnings_.erase(end, beginnings_.end());
  }

  [[nodiscard]] bool have(std::string_view name) const {
    if (std::binary_search(names_.begin(), names_.end(), name)) return true;
    const auto above = std::upper_bound(beginnings_.begin(), beginnings_.end(), name);
    return above != beginnings_.begin() && name.starts_with(*std::prev(above));
  }

 private:
  std::vector<std::string_view> names_, beginnings_;
};

}  // namespace

Standing standing_of(std::string_view function) {
  static const Names never(machinery);
  static const Names seldom(generic);
  if (never.have(function)) return Standing::machinery;
  return seldom.have(function) ? Standing::generic : Standing::tells;
}

bool is_interrupt_entry(std::string_view function) {
  static const Names entries(interrupt_entries);
  return entries.have(function);
}

}  // namespace ffci::kernel_log
