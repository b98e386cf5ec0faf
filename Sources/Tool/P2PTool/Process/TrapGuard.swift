import Synchronization

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// For the moments in which event loops, Dispatch and the runtime start: what the system refuses them makes them trap, and a trap there is no
/// crash to look into, but an end with a reason, which some of them have printed themselves.
enum TrapGuard {
    private static let signals = [SIGILL, SIGTRAP]
    /// What was done about the signals before.
    private static let before = Mutex<[sigaction]>([])

    /// From now on a trap ends the process with 1.
    static func begin() {
        let before = self.signals.map { number in
            var (action, before) = (sigaction(), sigaction())
            self.set(self.end, in: &action)
            sigaction(number, &action, &before)
            return before
        }
        self.before.withLock { $0 = before }
    }

    /// Traps are what they were.
    static func release() {
        let before = self.before.withLock { before in
            defer { before = [] }
            return before
        }
        for (number, action) in zip(self.signals, before) {
            var action = action
            sigaction(number, &action, nil)
        }
    }

    private static let end: @convention(c) (CInt) -> Void = { _ in
        // Nothing here but what a signal's handler may do.
        let reason: StaticString = """
            p2p: could not start: the system refused the event loops, or the runtime, something that they need (see above, where it \
            says what): raise the limits of open files and threads (ulimit -n 1024, ulimit -u)

            """
        _ = write(STDERR_FILENO, reason.utf8Start, reason.utf8CodeUnitCount)
        _exit(EXIT_FAILURE)
    }

    private static func set(_ handler: @escaping @convention(c) (CInt) -> Void, in action: inout sigaction) {
        #if canImport(Glibc)
            action.__sigaction_handler.sa_handler = handler
        #elseif canImport(Musl)
            action.__sa_handler.sa_handler = handler
        #else
            action.__sigaction_u.__sa_handler = handler
        #endif
    }
}
