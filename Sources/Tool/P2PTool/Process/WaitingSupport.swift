#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Whether the system gives what event loops, Dispatch and the runtime wait with: `epoll`, `eventfd`, `timerfd`.
///
/// They have no error for that, and trap. So each is tried before, where the C library can be asked by name.
enum WaitingSupport {
    private typealias Create = @convention(c) (CInt) -> CInt
    private typealias CreateCounter = @convention(c) (CUnsignedInt, CInt) -> CInt
    private typealias CreateTimer = @convention(c) (CInt, CInt) -> CInt
    private typealias Control = @convention(c) (CInt, CInt, CInt, UnsafeMutableRawPointer) -> CInt

    /// `EPOLL_CTL_ADD`.
    private static let addition: CInt = 1
    /// `EPOLLIN`.
    private static let readable: UInt32 = 1
    /// What `struct epoll_event` has at most, in bytes.
    private static let eventSize = 16

    /// The first call that the system refuses, and why; nil when there is none.
    static func refusal() -> String? {
        #if os(Linux)
            guard let open = self.function("epoll_create", Create.self), let reopen = self.function("epoll_create1", Create.self),
                let counter = self.function("eventfd", CreateCounter.self), let timer = self.function("timerfd_create", CreateTimer.self),
                let control = self.function("epoll_ctl", Control.self)
            else { return nil }
            var opened: [CInt] = []
            defer { for descriptor in opened { close(descriptor) } }
            let calls: [(String, () -> CInt)] = [
                ("epoll_create", { open(1) }), ("epoll_create1", { reopen(O_CLOEXEC) }), ("eventfd", { counter(0, O_CLOEXEC) }),
                ("timerfd_create", { timer(CLOCK_MONOTONIC, O_CLOEXEC) }),
            ]
            for (name, call) in calls {
                let descriptor = call()
                guard descriptor >= 0 else { return "\(name): \(String(cString: strerror(errno)))" }
                opened.append(descriptor)
            }
            for waited in opened.suffix(2) {
                var event = [UInt32](repeating: 0, count: self.eventSize / 4)
                event[0] = self.readable
                guard control(opened[0], self.addition, waited, &event) == 0 else {
                    return "epoll_ctl: \(String(cString: strerror(errno)))"
                }
            }
        #endif
        return nil
    }

    #if os(Linux)
        private static func function<Function>(_ name: String, _: Function.Type) -> Function? {
            dlsym(nil, name).map { unsafeBitCast($0, to: Function.self) }
        }
    #endif
}
