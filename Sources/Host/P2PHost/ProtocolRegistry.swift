import P2PCore
import P2PNegotiation
import Synchronization

/// A handler with everything that a stream asks of it, read once.
final class ServedProtocol: Sendable {
    let handler: any ProtocolHandler
    let placement: HandlerPlacement
    let limits: StreamLimits
    let servesLimitedConnections: Bool
    let audience: (@Sendable (ConnectionInfo) -> Bool)?

    init(_ handler: any ProtocolHandler) {
        self.handler = handler
        self.placement = handler.placement
        self.limits = handler.limits
        self.servesLimitedConnections = handler.servesLimitedConnections
        self.audience = handler.audience
    }
}

/// What a host serves at a moment; made anew when a handler is registered, shared by every stream until then.
final class ServedProtocols: Sendable {
    /// In the order of registration.
    let protocolIDs: [ProtocolID]
    /// For ordinary connections.
    let table: NegotiationTable
    /// For connections that a relay lends.
    let limitedTable: NegotiationTable
    private let served: [ProtocolID: ServedProtocol]
    /// Those that are not offered to everybody; usually none.
    private let selective: [ServedProtocol]

    init(_ handlers: [ServedProtocol]) {
        var served: [ProtocolID: ServedProtocol] = [:]
        for handler in handlers {
            for protocolID in handler.handler.protocolIDs { served[protocolID] = handler }
        }
        self.served = served
        self.protocolIDs = handlers.flatMap(\.handler.protocolIDs)
        self.table = NegotiationTable(self.protocolIDs)
        self.limitedTable = NegotiationTable(handlers.filter(\.servesLimitedConnections).flatMap(\.handler.protocolIDs))
        self.selective = handlers.filter { $0.audience != nil }
    }

    /// What may be agreed on with the peer of a connection.
    func table(for connection: ConnectionInfo) -> NegotiationTable {
        let table = connection.isLimited ? self.limitedTable : self.table
        return self.selective.isEmpty ? table : self.withheld(from: connection).map(table.without) ?? table
    }

    /// What the peer of a connection is told of.
    func protocolIDs(for connection: ConnectionInfo) -> [ProtocolID] {
        guard let withheld = self.withheld(from: connection) else { return self.protocolIDs }
        return self.protocolIDs.filter { !withheld.contains($0) }
    }

    /// Never inlined: the frame of a stream's task is kept small for every stream.
    @inline(never)
    private func withheld(from connection: ConnectionInfo) -> Set<ProtocolID>? {
        let withheld = self.selective.filter { $0.audience?(connection) == false }
        return withheld.isEmpty ? nil : Set(withheld.flatMap(\.handler.protocolIDs))
    }

    subscript(protocolID: ProtocolID) -> ServedProtocol? { self.served[protocolID] }
}

/// Who serves what, and how proposals look on the wire.
final class ProtocolRegistry: Sendable {
    private struct State {
        var handlers: [ServedProtocol] = []
        var served = ServedProtocols([])
        var greetings: [any ConnectionGreeting] = []
        var proposals: [ProtocolID: NegotiationTable.Entry] = [:]
    }

    /// Proposals whose messages are kept; those beyond are made anew each time.
    private static let proposalLimit = 256

    private let state = Mutex(State())

    var served: ServedProtocols { self.state.withLock { $0.served } }
    var greetings: [any ConnectionGreeting] { self.state.withLock { $0.greetings } }

    func register(_ handler: any ProtocolHandler) throws(HostError) {
        let protocolIDs = handler.protocolIDs
        guard !protocolIDs.isEmpty else { throw HostError(.invalidProtocol, "the handler names no protocol") }
        if let objection = NegotiationTable.objection(to: protocolIDs) {
            throw HostError(.invalidProtocol, objection.message, cause: objection)
        }
        let taken = self.state.withLock { state -> ProtocolID? in
            if let taken = protocolIDs.first(where: { state.served[$0] != nil }) { return taken }
            state.handlers.append(ServedProtocol(handler))
            state.served = ServedProtocols(state.handlers)
            return nil
        }
        if let taken { throw HostError(.protocolTaken, "another handler serves \(taken)") }
    }

    /// - Returns: whether anything was served by that name.
    func unregister(_ protocolID: ProtocolID) -> Bool {
        self.state.withLock { state in
            guard let served = state.served[protocolID] else { return false }
            state.handlers.removeAll { $0 === served }
            state.served = ServedProtocols(state.handlers)
            return true
        }
    }

    func register(greeting: any ConnectionGreeting) {
        self.state.withLock { $0.greetings.append(greeting) }
    }

    /// Lets go of everybody, since handlers and greetings often hold the host.
    func clear() {
        self.state.withLock { $0 = State() }
    }

    /// The messages that propose a protocol.
    func proposal(of protocolID: ProtocolID) -> NegotiationTable.Entry {
        if let entry = self.state.withLock({ $0.proposals[protocolID] }) { return entry }
        let entry = NegotiationTable.entry(protocolID)
        self.state.withLock { state in
            if state.proposals.count < Self.proposalLimit { state.proposals[protocolID] = entry }
        }
        return entry
    }
}
