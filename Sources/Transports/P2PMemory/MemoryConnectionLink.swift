import NIOCore
import P2PCore
import Synchronization

/// What the two sides of a ``MemoryConnection`` share.
final class MemoryConnectionLink: Sendable {
    private struct Side {
        var saidGoodbye = false
        var opened = 0
        var sent: UInt64 = 0
        /// Why the connection is over, for this side.
        var ending: Result<Void, ConnectionError>?
    }

    private struct State {
        var dialer = Side()
        var listener = Side()
        var streams: [ObjectIdentifier: (pair: MemoryStreamPair, opener: ConnectionRole)] = [:]
        /// Those who wait for the last stream to end.
        var leaving: [Inbox<Void, Never>] = []
        var isOver = false

        subscript(_ role: ConnectionRole) -> Side {
            get { role == .dialer ? self.dialer : self.listener }
            set { if role == .dialer { self.dialer = newValue } else { self.listener = newValue } }
        }
    }

    private let configuration: MemoryConfiguration
    private let state = Mutex(State())
    private let backlogs: (dialer: InboundBacklog, listener: InboundBacklog)

    init(_ configuration: MemoryConfiguration) {
        self.configuration = configuration
        self.backlogs = (InboundBacklog(limit: configuration.backlog), InboundBacklog(limit: configuration.backlog))
    }

    func backlog(of role: ConnectionRole) -> InboundBacklog {
        role == .dialer ? self.backlogs.dialer : self.backlogs.listener
    }

    func traffic(of role: ConnectionRole) -> ConnectionTraffic {
        self.state.withLock { state in
            ConnectionTraffic(bytesIn: state[role.other].sent, bytesOut: state[role].sent, streams: state.streams.count)
        }
    }

    // MARK: Streams

    func open(by role: ConnectionRole) throws(ConnectionError) -> PeerStream {
        let (pair, stream) = MemoryStreamPair.opening(window: self.configuration.window, link: OpenedStreams(link: self, opener: role))
        let refusal = self.state.withLock { state -> ConnectionError? in
            if case .failure(let error) = state[role].ending { return error }
            if state[role].saidGoodbye { return ConnectionError(.closed, "this side closed the connection") }
            if state[role.other].saidGoodbye { return ConnectionError(.goingAway, "the peer takes no new streams") }
            guard state[role].opened < self.configuration.streamLimit else {
                return ConnectionError(.resourceLimit, "streamLimit: \(self.configuration.streamLimit) streams are open")
            }
            state[role].opened += 1
            state.streams[ObjectIdentifier(pair)] = (pair, role)
            return nil
        }
        if let refusal { throw refusal }
        return stream
    }

    fileprivate func announce(_ stream: PeerStream, to role: ConnectionRole) -> Bool {
        let isWelcome = self.state.withLock { !$0.isOver && !$0[role].saidGoodbye }
        return isWelcome && self.backlog(of: role).offer(stream)
    }

    fileprivate func carried(_ count: Int, from role: ConnectionRole) {
        self.state.withLock { $0[role].sent += UInt64(count) }
    }

    fileprivate func ended(_ pair: MemoryStreamPair) {
        let leaving = self.state.withLock { state -> [Inbox<Void, Never>] in
            guard let (_, opener) = state.streams.removeValue(forKey: ObjectIdentifier(pair)) else { return [] }
            state[opener].opened -= 1
            return state.streams.isEmpty ? state.leaving : []
        }
        for inbox in leaving { inbox.finish(.success(())) }
    }

    // MARK: Ending

    func close(by role: ConnectionRole, _ code: ConnectionErrorCode, grace: Duration) async {
        let lastStream = Inbox<Void, Never>(limit: 1)
        let mayWait = self.state.withLock { state in
            guard !state.isOver else { return false }
            state[role].saidGoodbye = true
            state.leaving.append(lastStream)
            return grace > .zero && !state.streams.isEmpty
        }
        if mayWait {
            _ = await HostClock.system.result(by: .now() + TimeAmount(grace)) { await lastStream.next() }
        }
        self.end { side in
            side == role
                ? ConnectionError(.closed, "this side closed the connection")
                : ConnectionError(.closedByPeer, "the peer closed the connection with code \(code)")
        }
    }

    func sever() {
        self.end { _ in ConnectionError(.lost, "the connection was severed") }
    }

    private func end(_ reason: (ConnectionRole) -> ConnectionError) {
        let reasons = (dialer: reason(.dialer), listener: reason(.listener))
        let (streams, endings) = self.state.withLock { state in
            guard !state.isOver else { return ([(pair: MemoryStreamPair, opener: ConnectionRole)](), nil as (Ending, Ending)?) }
            state.isOver = true
            // Whoever said goodbye ends in peace, whoever else did so too.
            state.dialer.ending = state.dialer.saidGoodbye ? .success(()) : .failure(reasons.dialer)
            state.listener.ending = state.listener.saidGoodbye ? .success(()) : .failure(reasons.listener)
            return (Array(state.streams.values), (state.dialer.ending ?? .success(()), state.listener.ending ?? .success(())))
        }
        guard let endings else { return }
        self.backlogs.dialer.finish(endings.0)
        self.backlogs.listener.finish(endings.1)
        for (pair, opener) in streams {
            pair.fail { end in
                let cause = (end == .opener ? opener : opener.other) == .dialer ? reasons.dialer : reasons.listener
                return StreamError(.connectionLost, cause.message, cause: cause)
            }
        }
    }

    private typealias Ending = Result<Void, ConnectionError>
}

/// The streams that one side opened.
private struct OpenedStreams: MemoryLink {
    let link: MemoryConnectionLink
    let opener: ConnectionRole

    func announce(_ stream: PeerStream) -> Bool { self.link.announce(stream, to: self.opener.other) }

    func carried(_ count: Int, from end: MemoryStreamPair.End) {
        self.link.carried(count, from: end == .opener ? self.opener : self.opener.other)
    }

    func ended(_ pair: MemoryStreamPair) { self.link.ended(pair) }
}

extension ConnectionRole {
    fileprivate var other: ConnectionRole { self == .dialer ? .listener : .dialer }
}
