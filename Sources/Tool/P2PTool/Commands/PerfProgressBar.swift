import P2P
import Synchronization

/// How far a measurement has come, on one line of a terminal.
final class PerfProgressBar: Sendable {
    private let upload: UInt64
    private let download: UInt64
    private let line: ProgressLine
    private let reports = Mutex<[Int: PerfProgress]>([:])

    init(upload: UInt64, download: UInt64, isVisible: Bool) {
        self.upload = upload
        self.download = download
        self.line = ProgressLine(isVisible: isVisible)
    }

    func note(_ report: PerfProgress, of stream: Int) {
        let reports = self.reports.withLock { reports in
            reports[stream] = report
            return reports
        }
        self.line.show(self.text(reports.values))
    }

    /// Wipes the line.
    func end() { self.line.end() }

    private func text(_ reports: some Collection<PerfProgress>) -> String {
        let up = reports.reduce(UInt64(0)) { $0 + $1.uploadedBytes }
        let down = reports.reduce(UInt64(0)) { $0 + $1.downloadedBytes }
        return [Self.part("up", up, of: self.upload), Self.part("down", down, of: self.download)].compactMap { $0 }.joined(separator: "   ")
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
