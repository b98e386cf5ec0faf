import CoreMetrics
import Synchronization

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Tells a counter of the time that processors have worked for this process.
final class CPUCounter: Sendable {
    private let counter: FloatingPointCounter
    private let last = Mutex(0.0)

    init(_ counter: FloatingPointCounter) { self.counter = counter }

    func sample() {
        var usage = rusage()
        #if canImport(Darwin)
            let result = getrusage(RUSAGE_SELF, &usage)
        #else
            let result = getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        #endif
        guard result == 0 else { return }
        let now = Self.seconds(usage.ru_utime) + Self.seconds(usage.ru_stime)
        let grown = self.last.withLock { last in
            defer { last = max(last, now) }
            return max(0, now - last)
        }
        self.counter.increment(by: grown)
    }

    private static func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1_000_000 }
}
