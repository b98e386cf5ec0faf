@preconcurrency import Dispatch
import Synchronization

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The signals that the tool answers to.
enum ProcessSignals {
    /// Sources that stay for as long as the process: once Dispatch has had a signal, nobody else gets it.
    private static let kept = Mutex<[any DispatchSourceSignal]>([])

    /// The first SIGTERM or SIGINT. A second one ends the process at once, as does one that comes when nobody follows the sequence any more,
    /// with 128 and the signal's number. None that comes after this has returned is missed.
    static func termination() async -> AsyncStream<CInt> {
        let once = Once()
        let (stream, continuation) = AsyncStream.makeStream(of: CInt.self, bufferingPolicy: .bufferingOldest(1))
        for number in [SIGTERM, SIGINT] {
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler {
                let result = continuation.yield(number)
                if case .terminated = result { _exit(128 + number) }
                if !once.take() { _exit(128 + number) }
            }
            await self.watch(number, with: source)
            self.kept.withLock { $0.append(source) }
        }
        return stream
    }

    /// SIGUSR1; several that come at once are one. None that comes after this has returned is missed.
    static func snapshotRequests() async -> AsyncStream<Void> { await self.requests(SIGUSR1) }

    /// SIGHUP, which ends the process no longer; several that come at once are one. None that comes after this has returned is missed.
    static func policyRequests() async -> AsyncStream<Void> { await self.requests(SIGHUP) }

    private static func requests(_ number: CInt) async -> AsyncStream<Void> {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
        source.setEventHandler { continuation.yield() }
        continuation.onTermination = { _ in source.cancel() }
        await self.watch(number, with: source)
        return stream
    }

    /// Takes back what a parent left behind: with SIGTERM blocked or ignored nobody could end the process. SIGUSR1 does nothing until somebody
    /// answers to it; by itself it would end the process. SIGHUP stays ignored where it is: that is how `nohup` asks.
    static func reset() {
        var wanted = sigset_t()
        sigemptyset(&wanted)
        for number in [SIGTERM, SIGINT, SIGUSR1] { sigaddset(&wanted, number) }
        signal(SIGTERM, SIG_DFL)
        signal(SIGUSR1, SIG_IGN)
        signal(SIGPIPE, SIG_IGN)
        sigprocmask(SIG_UNBLOCK, &wanted, nil)
    }

    /// Activates the source; returns when it sees signals, which a thread of Dispatch sees to in its own time.
    ///
    /// Until then the signal does what it did before: were it ignored, one that comes now would be lost, and with it the wish to end.
    private static func watch(_ number: CInt, with source: any DispatchSourceSignal) async {
        let (registration, registered) = AsyncStream.makeStream(of: Void.self)
        source.setRegistrationHandler { registered.finish() }
        // Also when the source can't be registered.
        source.setCancelHandler { registered.finish() }
        source.activate()
        for await _ in registration {}
        #if canImport(Darwin)
            // Here the source only looks on. Elsewhere Dispatch has a handler of its own, which this would replace for good.
            signal(number, SIG_IGN)
        #endif
    }

    /// True the first time.
    private final class Once: Sendable {
        private let isFresh = Atomic(true)
        func take() -> Bool { self.isFresh.exchange(false, ordering: .relaxed) }
    }
}
