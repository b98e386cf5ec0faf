import ArgumentParser
import P2P
import P2PCore

/// `p2p perf`.
struct PerfCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "perf",
        abstract: "Measure throughput with a peer that serves /perf/1.0.0.",
        discussion: """
            Sizes are bytes, or a number with KiB, MiB, GiB, kB, MB or GB, shared out over the streams.
              p2p perf /ip4/127.0.0.1/tcp/4001/p2p/12D3Koo... --upload 256MiB
              p2p perf /ip4/127.0.0.1/tcp/4001/p2p/12D3Koo... --download 1GiB --streams 8
            """)

    @OptionGroup var target: TargetOptions

    @Option(help: ArgumentHelp("How much to send.", valueName: "size"))
    var upload = ByteSize(0)

    @Option(help: ArgumentHelp("How much to ask for.", valueName: "size"))
    var download = ByteSize(0)

    @Option(help: "How many streams to share it out over, \(Self.streamLimit) at most.")
    var streams = 1

    @OptionGroup var node: NodeOptions
    @OptionGroup var output: OutputOptions

    /// Streams of one run.
    static let streamLimit = PerfProtocol.inboundStreamsPerPeer

    func validate() throws {
        guard self.upload.bytes > 0 || self.download.bytes > 0 else { throw ValidationError("Say --upload, --download or both.") }
        guard (1...Self.streamLimit).contains(self.streams) else {
            throw ValidationError("--streams must be from 1 to \(Self.streamLimit).")
        }
    }

    func execute(_ console: Console) async throws {
        let target = self.target
        let parts = Array(zip(self.upload.split(into: self.streams), self.download.split(into: self.streams)))
        let progress = PerfProgressBar(
            upload: self.upload.bytes, download: self.download.bytes, isVisible: StandardError.isTerminal && !console.speaksJSON)
        let (connectTime, results) = try await NodeSession.run(self.node) { session in
            let started = ContinuousClock.now
            let connection = try await session.connect(target)
            let connectTime = ContinuousClock.now - started
            let results = try await StallWatch.guarding(timeout: session.options.timeout.duration) { watch in
                try await Self.measure(parts, over: connection, watch, progress)
            }
            return (connectTime, results)
        }
        progress.end()
        try await self.report(results, connectTime: connectTime, console)
    }

    private static func measure(
        _ parts: [(UInt64, UInt64)], over connection: PeerConnection, _ watch: StallWatch,
        _ progress: PerfProgressBar
    ) async throws -> [PerfMeasurement] {
        try await withThrowingTaskGroup(of: PerfMeasurement.self) { group in
            for (index, (upload, download)) in parts.enumerated() {
                group.addTask {
                    let stream = try await connection.openStream(PerfProtocol.id)
                    return try await PerfClient.measure(over: stream, upload: upload, download: download) { report in
                        watch.note()
                        progress.note(report, of: index)
                    }
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
    }

    private func report(_ results: [PerfMeasurement], connectTime: Duration, _ console: Console) async throws {
        let uploadTime = results.map(\.uploadTime).max() ?? .zero
        let downloadTime = results.map(\.downloadTime).max() ?? .zero
        let lines =
            [
                self.upload.bytes > 0 ? "uploaded \(Throughput(self.upload.bytes, in: uploadTime))" : nil,
                self.download.bytes > 0 ? "downloaded \(Throughput(self.download.bytes, in: downloadTime))" : nil,
            ].compactMap { $0 } + ["connected in \(Milliseconds(connectTime)) ms"]
        try await console.emit(
            [
                "event": "perf", "upload_bytes": .unsigned(results.reduce(0) { $0 + $1.uploadBytes }),
                "download_bytes": .unsigned(results.reduce(0) { $0 + $1.downloadBytes }), "upload_seconds": .seconds(uploadTime),
                "download_seconds": .seconds(downloadTime), "connect_ms": .milliseconds(connectTime),
            ],
            lines.joined(separator: "\n"))
    }
}
