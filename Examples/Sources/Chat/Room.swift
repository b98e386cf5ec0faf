import P2P
import Synchronization

/// The chat as a subsystem of a node: it serves a protocol, and greets every connection by opening a stream of its own.
///
/// Each side of a connection sends on the stream that it opened: first its name, then its lines, each as a message. So nobody has to agree on
/// who begins, and two nodes that dial each other at once do no harm.
final class Room: HostModule {
    static let protocolID: ProtocolID = "/example/chat/1.0.0"
    /// Bytes of a name.
    static let longestName = 32
    /// Bytes of a line.
    static let longestLine = 1_024
    /// Lines that wait for one slow peer; those beyond are dropped, and we are told.
    private static let backlog = 64

    /// What waits to be sent on one connection.
    private struct Outbox {
        let connection: ConnectionID
        let lines: AsyncStream<String>.Continuation
    }

    private struct State {
        var outboxes: [PeerID: [Outbox]] = [:]
        /// Streams on which a peer talks to us.
        var voices: [PeerID: Int] = [:]
    }

    private let name: String
    private let state = Mutex(State())

    init(name: String) { self.name = name }

    func join(_ plan: inout HostPlan) {
        plan.handlers.append(Ear(room: self))
        plan.greetings.append(Mouth(room: self))
    }

    // MARK: Sending

    /// Sends a line to everybody, once each.
    func send(_ line: String) {
        let outboxes = self.state.withLock { $0.outboxes.compactMapValues(\.first) }
        for (peer, outbox) in outboxes {
            if case .dropped = outbox.lines.yield(line) {
                Terminal.show("* \(Terminal.short(peer)) is too slow and misses a line")
            }
        }
    }

    /// Speaks on one connection until it ends. A node that serves no chat refuses the stream, and that is all.
    fileprivate func speak(on connection: PeerConnection) async throws {
        let (lines, outbox) = AsyncStream<String>.makeStream(bufferingPolicy: .bufferingOldest(Self.backlog))
        let stream = try await connection.openStream(Self.protocolID)
        self.state.withLock {
            $0.outboxes[connection.remotePeer, default: []].append(Outbox(connection: connection.id, lines: outbox))
        }
        defer {
            self.state.withLock { state in
                state.outboxes[connection.remotePeer]?.removeAll { $0.connection == connection.id }
                if state.outboxes[connection.remotePeer]?.isEmpty == true { state.outboxes[connection.remotePeer] = nil }
            }
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            // Nothing comes on this stream but its end, or the refusal.
            group.addTask { _ = try await stream.readBytes(upTo: 1) }
            group.addTask {
                try await stream.writeMessage(text: self.name)
                for await line in lines { try await stream.writeMessage(text: line) }
            }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    // MARK: Listening

    /// Shows what a peer says until it ends its stream.
    fileprivate func listen(to stream: PeerStream, from peer: PeerID) async throws {
        guard let name = try await stream.readMessageText(upTo: Self.longestName) else { return }
        let label = "\(Terminal.printable(name)) (\(Terminal.short(peer)))"
        if self.isFirstVoice(of: peer) { Terminal.show("* \(label) joined") }
        defer {
            if self.wasLastVoice(of: peer) { Terminal.show("* \(label) left") }
        }
        while let line = try await stream.readMessageText(upTo: Self.longestLine) {
            Terminal.show("\(label): \(Terminal.printable(line))")
        }
    }

    /// Whether this is the peer's first stream.
    private func isFirstVoice(of peer: PeerID) -> Bool {
        self.state.withLock {
            $0.voices[peer, default: 0] += 1
            return $0.voices[peer] == 1
        }
    }

    /// Whether this was the peer's last stream.
    private func wasLastVoice(of peer: PeerID) -> Bool {
        self.state.withLock {
            $0.voices[peer, default: 1] -= 1
            guard $0.voices[peer] == 0 else { return false }
            $0.voices[peer] = nil
            return true
        }
    }
}

/// Serves what others say.
private struct Ear: ProtocolHandler {
    let room: Room
    let protocolIDs = [Room.protocolID]
    /// A second one may come while the first has not noticed yet that its connection is gone.
    let limits = StreamLimits(inboundPerPeer: 2)

    func handle(_ stream: PeerStream, on connection: PeerConnection) async throws {
        try await self.room.listen(to: stream, from: connection.remotePeer)
    }
}

/// Opens a stream on every connection, whoever dialled.
private struct Mouth: ConnectionGreeting {
    let room: Room

    func greet(_ connection: PeerConnection) async {
        try? await self.room.speak(on: connection)
    }
}
