//! Counts the user-mode instructions that a process executes natively, one step at a time.
//!
//! The child calls [`mark`] before and after the part to be counted; the parent traces it from
//! [`count`]. All threads of the child are stepped, so that work handed to a pool counts too.
//! A repeated string instruction counts once, as it does in the processor's own counters. This
//! needs neither performance counters nor an emulator, which would hide the processor's SHA
//! instructions.

pub use self::imp::{count, mark};

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod imp {
    use std::collections::HashMap;
    use std::fs;
    use std::io;
    use std::os::unix::process::CommandExt as _;
    use std::process::Command;

    use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
    use nix::sys::personality::{self, Persona};
    use nix::sys::ptrace::{self, Options};
    use nix::sys::signal::{Signal, raise};
    use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
    use nix::unistd::Pid;

    /// Where the kernel keeps the instruction pointer: `regs.rip` in `struct user`.
    const RIP: ptrace::AddressType = (16 * 8) as ptrace::AddressType;

    /// Begins the part that is counted, or ends it.
    ///
    /// # Panics
    /// If the process cannot stop itself.
    pub fn mark() {
        raise(Signal::SIGSTOP).expect("a process may stop itself");
    }

    /// Runs the command and counts the instructions between its two marks.
    ///
    /// # Errors
    /// If it cannot be traced or ends before the second mark.
    pub fn count(command: &mut Command) -> io::Result<u64> {
        // SAFETY: both are plain system calls.
        unsafe {
            command.pre_exec(|| {
                // The same addresses in every run; without that, counts only differ a little.
                let _ = personality::set(Persona::ADDR_NO_RANDOMIZE);
                Ok(ptrace::traceme()?)
            });
        }
        let mut child = command.spawn()?;
        let main = Pid::from_raw(child.id() as i32);
        let processors = sched_getaffinity(Pid::from_raw(0))?;
        let counted = follow(main);
        sched_setaffinity(Pid::from_raw(0), &processors)?;
        child.kill()?;
        // All its threads must be reaped, the first one comes last.
        while !matches!(next()?, WaitStatus::Signaled(thread, ..) if thread == main) {}
        counted
    }

    fn follow(main: Pid) -> io::Result<u64> {
        waitpid(main, None)?; // stopped at exec
        ptrace::setoptions(main, Options::PTRACE_O_TRACECLONE | Options::PTRACE_O_EXITKILL)?;
        ptrace::cont(main, None)?;
        loop {
            match next()? {
                WaitStatus::Stopped(thread, Signal::SIGSTOP) if thread == main => break,
                WaitStatus::Stopped(thread, Signal::SIGSTOP) => ptrace::cont(thread, None)?,
                WaitStatus::Stopped(thread, signal) => ptrace::cont(thread, signal)?,
                WaitStatus::PtraceEvent(thread, ..) => ptrace::cont(thread, None)?,
                status => ended(status, main)?,
            }
        }
        // On one processor, as each step is a switch from one process to the other and back.
        share_a_processor(Pid::from_raw(0))?;
        share_a_processor(main)?;
        for thread in others(main)? {
            share_a_processor(thread)?;
            // SAFETY: a plain system call.
            unsafe {
                libc::syscall(libc::SYS_tgkill, main.as_raw(), thread.as_raw(), libc::SIGSTOP)
            };
            waitpid(thread, Some(WaitPidFlag::__WALL))?;
            ptrace::step(thread, None)?;
        }
        ptrace::step(main, None)?;
        step_through(main)
    }

    fn step_through(main: Pid) -> io::Result<u64> {
        let mut instructions = 0;
        let mut at = HashMap::new();
        loop {
            match next()? {
                WaitStatus::Stopped(thread, Signal::SIGTRAP) => {
                    let pointer = ptrace::read_user(thread, RIP)?;
                    // Unmoved: one more turn of a repeated string instruction.
                    if at.insert(thread, pointer) != Some(pointer) {
                        instructions += 1;
                    }
                    ptrace::step(thread, None)?;
                }
                WaitStatus::Stopped(thread, Signal::SIGSTOP) if thread == main => {
                    return Ok(instructions);
                }
                WaitStatus::Stopped(thread, Signal::SIGSTOP) => ptrace::step(thread, None)?,
                WaitStatus::Stopped(thread, signal) => ptrace::step(thread, signal)?,
                WaitStatus::PtraceEvent(thread, ..) => ptrace::step(thread, None)?,
                status => ended(status, main)?,
            }
        }
    }

    fn next() -> io::Result<WaitStatus> {
        Ok(waitpid(None, Some(WaitPidFlag::__WALL))?)
    }

    fn ended(status: WaitStatus, main: Pid) -> io::Result<()> {
        match status.pid() {
            Some(thread) if thread != main => Ok(()),
            _ => Err(io::Error::other(format!("the counted process ended early: {status:?}"))),
        }
    }

    fn share_a_processor(thread: Pid) -> io::Result<()> {
        let mut first = CpuSet::new();
        first.set(0)?;
        Ok(sched_setaffinity(thread, &first)?)
    }

    fn others(main: Pid) -> io::Result<Vec<Pid>> {
        let mut threads = Vec::new();
        for entry in fs::read_dir(format!("/proc/{main}/task"))? {
            let name = entry?.file_name();
            let thread = name.to_str().and_then(|name| name.parse().ok()).map(Pid::from_raw);
            threads.extend(thread.filter(|thread| *thread != main));
        }
        Ok(threads)
    }
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
mod imp {
    use std::io;
    use std::process::Command;

    /// Does nothing here.
    pub fn mark() {}

    /// # Errors
    /// Always: instructions are only counted on x86-64 Linux.
    pub fn count(_: &mut Command) -> io::Result<u64> {
        Err(io::Error::other("instructions can only be counted on x86-64 Linux"))
    }
}
