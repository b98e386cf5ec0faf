import P2P
import Synchronization

/// How far a measurement has come, on one line of a terminal that is written over ten times a second.
final class PerfProgressBar: Sendable {
    private static let interval = Duration.milliseconds(100)

    private struct State {
        var reports: [Int: PerfProgress] = [:]
        var nextAt = ContinuousClock.now
        var isShown = false
    }

    private let upload: UInt64
    private let download: UInt64
    private let isVisible: Bool
    private let state = Mutex(State())

    init(upload: UInt64, download: UInt64, isVisible: Bool) {
        self.upload = upload
        self.download = download
        self.isVisible = isVisible
    }

    func note(_ report: PerfProgress, of stream: Int) {
        guard self.isVisible else { return }
        let line = self.state.withLock { state -> String? in
            state.reports[stream] = report
            let now = ContinuousClock.now
            guard now >= state.nextAt else { return nil }
            state.nextAt = now + Self.interval
            state.isShown = true
            let up = state.reports.values.reduce(UInt64(0)) { $0 + $1.uploadedBytes }
            let down = state.reports.values.reduce(UInt64(0)) { $0 + $1.downloadedBytes }
            return "\r\u{1b}[K"
                + [Self.part("up", up, of: self.upload), Self.part("down", down, of: self.download)].compactMap { $0 }
                .joined(separator: "   ")
        }
        if let line { StandardError.write(line) }
    }

    /// Wipes the line.
    func end() {
        if self.state.withLock({ $0.isShown }) { StandardError.write("\r\u{1b}[K") }
    }

    private static func part(_ name: String, _ done: UInt64, of all: UInt64) -> String? {
        guard all > 0 else { return nil }
        return "\(name) \(done >> 20) of \(all >> 20) MiB, \(Int(Double(done) / Double(all) * 100)) %"
    }
}

/// An amount in a time, as text.
struct Throughput: CustomStringConvertible {
    let description: String

    init(_ bytes: UInt64, in time: Duration) {
        let seconds = max(time.milliseconds / 1_000, 1e-9)
        let rate = (Double(bytes) / seconds / 1e4).rounded() / 100
        self.description = "\(bytes) bytes in \((seconds * 1_000).rounded() / 1_000) s: \(rate) MB/s"
    }
}
