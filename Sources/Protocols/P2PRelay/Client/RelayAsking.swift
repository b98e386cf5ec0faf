import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr

/// What is asked of relays.
struct RelayAsking: Sendable {
    /// How long a relay has for a place.
    static let reserveTimeout = TimeAmount.seconds(10)

    let host: any HostAccess

    /// Connects to a relay, never through another one.
    func connect(to relay: PeerID, at addresses: [Multiaddr], by deadline: NIODeadline) async throws(TransportError) -> PeerConnection {
        let remaining = deadline - self.host.clock.now()
        guard remaining > .zero else { throw TransportError(.timedOut, "the deadline passed before relay \(relay) was dialled") }
        let connection: PeerConnection
        do throws(DialError) {
            let request = DialRequest(addresses: addresses, timeout: .nanoseconds(remaining.nanoseconds), allowsLimited: false)
            connection = try await self.host.connect(to: relay, request)
        } catch {
            let code: TransportError.Code = error.code == .cancelled ? .cancelled : error.code == .timedOut ? .timedOut : .unreachable
            throw TransportError(code, "relay \(relay) is not reached", cause: error)
        }
        guard !connection.isLimited, !connection.remoteAddress.isRelayed else {
            throw TransportError(.relayRefused, "relay \(relay) is reached through another relay only, and no circuit leads over two")
        }
        return connection
    }

    /// Asks a relay for a place.
    func reserve(
        at asked: Multiaddr?, on connection: PeerConnection, by deadline: NIODeadline
    ) async throws(RelayError) -> RelayReservation {
        let (stream, answer) = try await self.ask(HopMessage(.reserve), on: connection, by: deadline)
        let reservation = try RelayReservation(answer, at: asked, on: connection.info, wall: .now)
        stream.stopReading()
        try? await stream.finish()
        return reservation
    }

    /// Asks a relay for a circuit; what the stream carries from now on is the target's.
    func open(
        to target: PeerID, on connection: PeerConnection, by deadline: NIODeadline
    ) async throws(RelayError) -> (stream: PeerStream, limit: CircuitLimit?) {
        let (stream, answer) = try await self.ask(HopMessage(.connect, peer: target), on: connection, by: deadline)
        guard answer.kind == .status, let status = answer.status else {
            stream.reset(.protocolViolation)
            throw RelayError(.unexpected, "relay \(connection.remotePeer) answered with something else than a status")
        }
        guard status == .ok else {
            stream.reset()
            throw RelayError(
                .refused, "relay \(connection.remotePeer) made no circuit to \(target): \(Self.words(status))", cause: RelayRefusal(status))
        }
        return (stream, answer.limit)
    }

    private static func words(_ status: RelayStatus) -> String {
        switch status {
        case .noReservation: "\(status), so the target has no place at it"
        case .resourceLimitExceeded: "\(status), so it has too many circuits now"
        case .connectionFailed: "\(status), so the target did not answer it"
        default: "\(status)"
        }
    }

    /// One request and its answer; of what follows nothing is read.
    private func ask(
        _ message: HopMessage, on connection: PeerConnection, by deadline: NIODeadline
    ) async throws(RelayError) -> (PeerStream, HopMessage) {
        let relay = connection.remotePeer
        let answer: (PeerStream, [UInt8])?
        do throws(StreamError) {
            answer = try await self.host.clock.result(by: deadline) { () async throws(StreamError) -> (PeerStream, [UInt8]) in
                let stream = try await connection.openStream(Relay.hopID)
                try await stream.writeMessage(bytes: message.encoded)
                guard let answer = try await stream.readMessageBytes(upTo: Relay.maximumMessage) else {
                    throw StreamError(.unexpectedEnd, "it closed without an answer")
                }
                return (stream, answer)
            }
        } catch {
            let why = error.code == .protocolNotSupported ? "\(relay) is no relay" : "relay \(relay) gave no answer"
            throw RelayError(.unexpected, why, cause: error)
        }
        guard let answer else { throw RelayError(.unexpected, "relay \(relay) gave no answer in time") }
        return (answer.0, try HopMessage(answer.1))
    }
}
