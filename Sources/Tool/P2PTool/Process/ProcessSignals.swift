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
    /// SIGTERM and SIGINT, once; a second one ends the process at once with 130.
    static func termination() -> AsyncStream<Void> {
        let once = Once()
        return self.stream(of: [SIGTERM, SIGINT], bufferingPolicy: .bufferingOldest(1)) {
            if !once.take() { _exit(130) }
        }
    }

    /// SIGUSR1; several that come at once are one.
    static func snapshotRequests() -> AsyncStream<Void> {
        self.stream(of: [SIGUSR1], bufferingPolicy: .bufferingNewest(1)) {}
    }

    /// Lets writes to a closed pipe fail instead of ending the process.
    static func ignoreBrokenPipes() {
        signal(SIGPIPE, SIG_IGN)
    }

    private static func stream(
        of signals: [CInt], bufferingPolicy: AsyncStream<Void>.Continuation.BufferingPolicy, onSignal: @escaping @Sendable () -> Void
    ) -> AsyncStream<Void> {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: bufferingPolicy)
        let sources = signals.map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler {
                onSignal()
                continuation.yield()
            }
            source.activate()
            return source
        }
        continuation.onTermination = { _ in
            for source in sources { source.cancel() }
        }
        return stream
    }

    /// True the first time.
    private final class Once: Sendable {
        private let isFresh = Atomic(true)
        func take() -> Bool { self.isFresh.exchange(false, ordering: .relaxed) }
    }
}
