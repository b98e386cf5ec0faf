import Logging
import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr

/// The relay's side of the hop protocol.
struct HopProtocol: ProtocolHandler {
    /// How long a client has for its request.
    private static let requestTimeout = Duration.seconds(10)
    /// How long the target has for everything until it has agreed.
    static let stopTimeout = Duration.seconds(15)
    /// Streams of one peer beside its circuits.
    private static let spareStreams = 4
    /// Streams of a peer that may be refused in a while (``StreamLimits/refusalPeriod``).
    private static let refusals = 100
    /// Addresses of its own that the relay tells.
    private static let addressLimit = 16
    /// Bytes of these.
    private static let addressBytes = 2_048

    let desk: RelayDesk
    /// How long this relay's targets have.
    let stopTimeout: Duration

    var protocolIDs: [ProtocolID] { [Relay.hopID] }
    var limits: StreamLimits {
        StreamLimits(inboundPerPeer: self.desk.limits.circuitsPerPeer + Self.spareStreams, refusals: Self.refusals)
    }
    /// So that it can say no.
    var servesLimitedConnections: Bool { true }

    func handle(_ stream: PeerStream, on connection: PeerConnection) async throws {
        let bytes = try await StreamError.within(Self.requestTimeout, on: self.desk.host.clock, "a request to the relay") {
            () throws(StreamError) in
            try await stream.readMessageBytes(upTo: Relay.maximumMessage)
        }
        guard let bytes, let message = try? HopMessage(bytes) else { return try await self.answer(.malformedMessage, on: stream) }
        guard message.kind == .reserve || message.kind == .connect else { return try await self.answer(.unexpectedMessage, on: stream) }
        guard !connection.isLimited, !connection.remoteAddress.isRelayed else {
            return try await self.answer(.permissionDenied, on: stream)
        }
        if message.kind == .reserve {
            try await self.reserve(stream, on: connection.info)
        } else {
            guard let circuit = try await self.open(message, stream, on: connection.info) else { return }
            try await self.carry(stream, circuit.stop, in: circuit.seat)
        }
    }

    private func answer(_ status: RelayStatus, on stream: PeerStream) async throws {
        try await stream.write(HopMessage(.status, status: status).encoded.framed)
    }

    // MARK: Places

    private func reserve(_ stream: PeerStream, on connection: ConnectionInfo) async throws {
        guard await self.desk.access.mayReserve(connection).isGranted else { return try await self.answer(.permissionDenied, on: stream) }
        switch self.desk.reserve(for: connection) {
        case .granted: break
        case .refused(let status): return try await self.answer(status, on: stream)
        case .tooOften: throw StreamError(.rateLimited, "\(connection.remotePeer) asks for its place again and again")
        }
        let expiration = UInt64(clamping: WallTime.now.secondsSince1970 + self.desk.limits.reservationLifetime.components.seconds)
        let voucher = RelayVoucher(relay: connection.localPeer, peer: connection.remotePeer, expiration: expiration)
        let reservation = WireReservation(
            expire: expiration, addresses: self.addresses(toldOn: connection), voucher: try await voucher.sealed(with: self.desk.identity))
        let answer = HopMessage(.status, reservation: reservation, limit: self.desk.limits.circuit, status: .ok)
        try await stream.write(answer.encoded.framed)
    }

    /// Where the relay is: its public addresses, or else the one at which the client has met it.
    private func addresses(toldOn connection: ConnectionInfo) -> [[UInt8]] {
        let own = self.desk.host.announcedAddresses.filter { $0.reach == .internet && !$0.isRelayed }
        var told: [[UInt8]] = []
        for address in own.isEmpty ? [connection.localAddress.withoutZone] : Array(own.prefix(Self.addressLimit)) {
            let bytes = address.withPeerID(connection.localPeer).bytes
            guard told.reduce(bytes.count, { $0 + $1.count }) <= Self.addressBytes else { break }
            told.append(bytes)
        }
        return told
    }

    // MARK: Circuits

    /// Answers a request for a circuit. Where there is one, it counts, and its bytes are still to be carried; nil where it was refused. Never inlined: for as long
    /// as the circuit lives its task keeps none of this.
    @inline(never)
    private func open(
        _ message: HopMessage, _ stream: PeerStream, on connection: ConnectionInfo
    ) async throws -> (seat: CircuitSeat, stop: PeerStream)? {
        let source = connection.remotePeer
        guard let target = message.peer.flatMap({ try? PeerID(bytes: $0) }) else {
            try await self.answer(.malformedMessage, on: stream)
            return nil
        }
        guard await self.desk.access.mayConnect(connection, to: target).isGranted else {
            try await self.answer(.permissionDenied, on: stream)
            return nil
        }
        let (seat, place): (CircuitSeat, ConnectionID)
        switch self.desk.begin(from: source, to: target) {
        case .success(let circuit): (seat, place) = (circuit.seat, circuit.place)
        case .failure(let refusal):
            try await self.answer(refusal.status, on: stream)
            return nil
        }
        do {
            let stop = try await self.agree(with: target, over: place, about: source)
            try await stream.write(HopMessage(.status, limit: self.desk.limits.circuit, status: .ok).encoded.framed)
            return (seat, stop)
        } catch {
            guard let error = error as? RelayError else { throw error }
            self.desk.host.logger.debug("no circuit", metadata: ["from": "\(source)", "to": "\(target)", "reason": "\(error)"])
            try await self.answer((error.cause as? RelayRefusal)?.status ?? .connectionFailed, on: stream)
            return nil
        }
    }

    /// Asks the target whether it takes the circuit; what its stream carries after that is the source's.
    private func agree(with target: PeerID, over connection: ConnectionID, about source: PeerID) async throws(RelayError) -> PeerStream {
        let (host, limit) = (self.desk.host, self.desk.limits.circuit)
        let agreed: (PeerStream, [UInt8])
        do throws(StreamError) {
            agreed = try await StreamError.within(self.stopTimeout, on: host.clock, "the target's answer") {
                () async throws(StreamError) -> (PeerStream, [UInt8]) in
                let stream = try await host.openStream(on: connection, protocols: [Relay.stopID])
                try await stream.write(StopMessage(.connect, peer: source, limit: limit).encoded.framed)
                guard let answer = try await stream.readMessageBytes(upTo: Relay.maximumMessage) else {
                    throw StreamError(.unexpectedEnd, "\(target) closed without an answer")
                }
                return (stream, answer)
            }
        } catch {
            throw RelayError(.unexpected, "\(target) was not asked, or did not answer", cause: error)
        }
        guard let answer = try? StopMessage(agreed.1), answer.kind == .status, let status = answer.status else {
            throw RelayError(.unexpected, "\(target) answered with something else than a status")
        }
        guard status == .ok else { throw RelayError(.refused, "\(target) refused: \(status)", cause: RelayRefusal(.connectionFailed)) }
        return agreed.0
    }

    private func carry(_ stream: PeerStream, _ stop: PeerStream, in seat: CircuitSeat) async throws {
        let (clock, duration) = (self.desk.host.clock, self.desk.limits.circuit?.duration)
        let deadline = duration.map { clock.now().advanced(by: $0) }
        let splice = CircuitSplice(
            stream, stop, limit: self.desk.limits.circuit?.data, on: stream.muxed.home ?? stop.muxed.home ?? self.desk.group.next())
        let end = await splice.run(for: duration, on: clock)
        seat.carried(splice.bytes)
        switch end {
        case .finished:
            let isOver = { (muxed: MuxedStream) in muxed.failure != nil || muxed.hasFinishLeft && muxed.hasPeerFinished }
            guard let taker = [stream, stop].first(where: { !isOver($0.muxed) }) else { return }
            let rest = CircuitRest(seat: seat, stream: taker, limit: self.desk.limits.circuit?.data, deadline: deadline)
            // The source may be gone before the target has taken everything, and this task with it.
            if taker === stop { self.desk.seeOff(rest) } else { try await rest.leave(on: clock) }
        case .broken: throw StreamError(.reset, "one side of the circuit has gone")
        case .exhausted, .over: throw StreamError(.resourceLimit, "the circuit has had all that this relay lends")
        }
    }
}
