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
    /// SIGTERM and SIGINT, once; a second one ends the process at once with 130. None that comes after this has returned is missed.
    static func termination() async -> AsyncStream<Void> {
        let once = Once()
        return await self.stream(of: [SIGTERM, SIGINT], bufferingPolicy: .bufferingOldest(1)) {
            if !once.take() { _exit(130) }
        }
    }

    /// SIGUSR1; several that come at once are one. None that comes after this has returned is missed.
    static func snapshotRequests() async -> AsyncStream<Void> {
        await self.stream(of: [SIGUSR1], bufferingPolicy: .bufferingNewest(1)) {}
    }

    /// Lets writes to a closed pipe fail instead of ending the process.
    static func ignoreBrokenPipes() {
        signal(SIGPIPE, SIG_IGN)
    }

    private static func stream(
        of signals: [CInt], bufferingPolicy: AsyncStream<Void>.Continuation.BufferingPolicy, onSignal: @escaping @Sendable () -> Void
    ) async -> AsyncStream<Void> {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: bufferingPolicy)
        let sources = signals.map { number in
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler {
                onSignal()
                continuation.yield()
            }
            return source
        }
        continuation.onTermination = { _ in
            for source in sources { source.cancel() }
        }
        for (number, source) in zip(signals, sources) { await self.watch(number, with: source) }
        return stream
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
