import NIOCore
import P2PCore
import P2PIdentity
import Synchronization

/// Bytes that go to a peer and come back.
///
/// The half-close is sent only once as many bytes have returned as were sent: some peers stop echoing when they see it.
final class EchoExchange: Sendable {
    /// Bytes that may be under way at once: some peers throw away what they can't keep up with, py-libp2p over QUIC from 2 MiB on.
    static let maximumUnderWay: UInt64 = 1_024 * 1_024

    private struct State {
        var sent: UInt64 = 0
        var received: UInt64 = 0
        var isAllSent = false
        /// The sender sleeps until more has come back.
        var isWaiting = false
        /// The text that returned, for `--message` with `--json`.
        var returned = ByteBuffer()
    }

    private let stream: PeerStream
    private let message: String?
    private let console: Console
    private let state = Mutex(State())

    init(stream: PeerStream, message: String?, console: Console) {
        self.stream = stream
        self.message = message
        self.console = console
    }

    /// - Returns: how many bytes went and came back.
    func run(_ watch: StallWatch) async throws -> UInt64 {
        let (progress, news) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        watch.setWaiting(false)
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    try await self.send(watch, progress)
                    try await self.wait(watch, for: progress) { $0.received == $0.sent }
                    try await self.stream.finish()
                }
                group.addTask { try await self.receive(watch, news) }
                defer { group.cancelAll() }
                // Unlike `waitForAll`, this throws at once.
                while try await group.next() != nil {}
            }
        } catch let error as StreamError where error.code == .reset && self.isWhole {
            // Nothing is missing: some go nodes answer every half-close with a reset.
        }
        return self.state.withLock { $0.received }
    }

    private func send(_ watch: StallWatch, _ progress: AsyncStream<Void>) async throws {
        if let message = self.message {
            try await self.send(ByteBuffer(string: message), watch)
        } else {
            let input = StandardInput()
            while let piece = try await input.next() {
                let room = Self.maximumUnderWay - min(UInt64(piece.readableBytes), Self.maximumUnderWay)
                try await self.wait(watch, for: progress) { $0.sent <= $0.received + room }
                try await self.send(piece, watch)
            }
        }
        self.state.withLock { $0.isAllSent = true }
        watch.setWaiting(true)
    }

    private func send(_ piece: ByteBuffer, _ watch: StallWatch) async throws {
        self.state.withLock { $0.sent += UInt64(piece.readableBytes) }
        watch.setWaiting(true)
        try await self.stream.write(piece)
        // What comes next is our input's affair, unless the peer owes us something.
        if self.state.withLock({ $0.received == $0.sent }) { watch.setWaiting(false) }
    }

    /// Until enough has come back.
    private func wait(_ watch: StallWatch, for progress: AsyncStream<Void>, until isEnough: (State) -> Bool) async throws {
        while !self.state.withLock({ state in
            state.isWaiting = !isEnough(state)
            return !state.isWaiting
        }) {
            watch.setWaiting(true)
            for await _ in progress { break }
            try Task.checkCancellation()
        }
    }

    private func receive(_ watch: StallWatch, _ news: AsyncStream<Void>.Continuation) async throws {
        while let bytes = try await self.stream.read() {
            let surplus = self.state.withLock { state -> UInt64 in
                state.received += UInt64(bytes.readableBytes)
                return state.received > state.sent ? state.received - state.sent : 0
            }
            guard surplus == 0 else {
                self.stream.reset(.protocolViolation)
                throw StreamError(.malformed, "the peer returned \(surplus) bytes more than it was sent")
            }
            watch.setWaiting(false)
            try await self.deliver(bytes)
            watch.setWaiting(self.state.withLock { $0.isAllSent || $0.received < $0.sent })
            if self.state.withLock({ $0.isWaiting }) { news.yield() }
        }
        let (sent, received, isAllSent) = self.state.withLock { ($0.sent, $0.received, $0.isAllSent) }
        guard isAllSent, received == sent else {
            throw StreamError(.unexpectedEnd, "the peer finished after it had returned \(received) of \(sent) bytes")
        }
    }

    private func deliver(_ bytes: ByteBuffer) async throws {
        if !self.console.speaksJSON {
            try await self.console.write(bytes)
        } else if self.message != nil {
            self.state.withLock { _ = $0.returned.writeImmutableBuffer(bytes) }
        }
    }

    /// Whether all was sent, and all came back.
    private var isWhole: Bool { self.state.withLock { $0.isAllSent && $0.received == $0.sent } }

    func summarize(_ count: UInt64, in time: Duration, with peer: PeerID) async throws {
        let returned = self.state.withLock { $0.returned }
        if self.message != nil, !self.console.speaksJSON { try await self.console.write(ByteBuffer(string: "\n")) }
        guard self.console.speaksJSON else { return }
        var event: JSONObject = [
            "event": "echo", "peer": .text(peer), "sent_bytes": .unsigned(count), "received_bytes": .unsigned(count),
            "seconds": .seconds(time),
        ]
        if self.message != nil { event.append("message", .string(String(buffer: returned))) }
        try await self.console.print(event.description)
    }
}
