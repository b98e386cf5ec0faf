public import P2PCore
public import P2PIdentity
public import P2PMultiaddr

extension PolicyGate: ConnectionGater {
    /// Whether a port may be listened on: `tcp-listen`, `udp-listen`. What has no socket may be listened on.
    public func mayListen(on address: Multiaddr) async -> GateAnswer {
        guard case .socket(let network, let target, let port) = PolicyPlace(address) else { return .granted }
        let question = PolicyQuestion(
            network == .tcp ? .tcpListen : .udpListen, .endpoint(target, port), asker: PolicyAsker(time: self.now))
        return GateAnswer(await self.decide(question, for: .listener(address)))
    }

    /// Whether the peer may be dialled there; a name is asked for as a name, a list in DNS for the peer alone.
    public func mayDial(_ address: Multiaddr, peer: PeerID?) async -> GateAnswer {
        if address.isAddressList { return GateAnswer(self.decideBeforehand(self.question(.peerDial, peer, .nowhere, address))) }
        return GateAnswer(await self.decideOnDial(address, peer, leadingTo: nil))
    }

    /// Whether the peer may be dialled at an address to which a name leads.
    public func mayReach(_ ip: IPAddress, namedBy address: Multiaddr, peer: PeerID?) async -> GateAnswer {
        GateAnswer(await self.decideOnDial(address, peer, leadingTo: ip.unmapped))
    }

    /// Whether there is a peer that may come from there.
    public func mayAccept(from address: Multiaddr) async -> GateAnswer {
        GateAnswer(self.decideBeforehand(self.question(.peerAccept, nil, PolicyPlace(address), address)))
    }

    /// Whether the connection of a peer that has proved who it is may be kept; one that was dialled, by what was dialled.
    public func mayKeep(_ connection: ConnectionInfo, dialledAt address: Multiaddr?) async -> GateAnswer {
        let thing = PolicyLedger.Thing.connection(connection.id)
        guard let address else {
            let remote = connection.remoteAddress
            return GateAnswer(
                await self.decide(self.question(.peerAccept, connection.remotePeer, PolicyPlace(remote), remote), for: thing))
        }
        return GateAnswer(
            await self.decideOnDial(
                address, connection.remotePeer, leadingTo: connection.remoteAddress.ipAddress?.unmapped, for: thing))
    }

    /// Counts it no more.
    public func ended(_ connection: ConnectionInfo) { self.release(.connection(connection.id)) }

    /// Counts it no more.
    public func stoppedListening(on address: Multiaddr) { self.release(.listener(address)) }

    /// - Parameter ip: where a name leads; of no account where there is none.
    private func decideOnDial(
        _ address: Multiaddr, _ peer: PeerID?, leadingTo ip: IPAddress?, for thing: PolicyLedger.Thing? = nil
    ) async -> PolicyAnswer {
        let place = PolicyPlace(address)
        let question = self.question(.peerDial, peer, place, address)
        switch place {
        case .nowhere: return await self.decide(question, for: thing)
        case .unclear(let host): return PolicyAnswer(question: question, reason: .notAHost(host))
        case .socket(let network, let target, let port):
            var ip = ip
            if case .address = target { ip = nil }
            let socket = PolicyQuestion(network == .tcp ? .tcpConnect : .udpConnect, .endpoint(target, port), asker: question.asker)
            if let refusal = self.refusal(of: socket, leadingTo: ip) { return refusal }
            return await self.decide(question, leadingTo: ip, for: thing)
        }
    }

    private func question(_ kind: PolicyKind, _ peer: PeerID?, _ place: PolicyPlace, _ address: Multiaddr) -> PolicyQuestion {
        let subject: PolicyQuestion.Subject =
            if case .socket(_, let target, let port) = place { .peerAt(peer, target, port) } else { .peer(peer) }
        return PolicyQuestion(kind, subject, asker: PolicyAsker(peer: peer, address: address.ipAddress, time: self.now))
    }
}

extension PolicyGate: StreamGater {
    /// Whether a stream to the peer may be opened for that protocol: `stream-open`.
    public func mayOpen(_ stream: PeerStream, for protocolID: ProtocolID, on connection: ConnectionInfo) async -> GateAnswer {
        await self.decide(.streamOpen, stream, protocolID, connection)
    }

    /// Whether the peer may have a stream of that protocol: `service`.
    public func mayServe(_ stream: PeerStream, for protocolID: ProtocolID, on connection: ConnectionInfo) async -> GateAnswer {
        await self.decide(.service, stream, protocolID, connection)
    }

    /// Whether the peer may know that a protocol is served: it would be granted now, or asked about. Nothing is counted.
    public func mayKnow(of protocolID: ProtocolID, on connection: ConnectionInfo) -> Bool {
        let asker = PolicyAsker(peer: connection.remotePeer, address: connection.remoteAddress.ipAddress, time: self.now)
        let answer = self.policy.decide(PolicyQuestion(.service, .name(protocolID.name), asker: asker))
        return answer.isGranted || answer.asks
    }

    private func decide(
        _ kind: PolicyKind, _ stream: PeerStream, _ protocolID: ProtocolID, _ connection: ConnectionInfo
    ) async -> GateAnswer {
        let asker = PolicyAsker(peer: connection.remotePeer, address: connection.remoteAddress.ipAddress, time: self.now)
        return GateAnswer(
            await self.decide(
                PolicyQuestion(kind, .name(protocolID.name), asker: asker), for: .stream(ObjectIdentifier(stream), protocolID), stream))
    }
}

extension PolicyGate {
    /// Whether a peer may have a socket connected to a host and port that it names: `tunnel-connect`.
    ///
    /// - Parameters:
    ///   - address: where the host's name leads; nil before that is known. Asked once for each address, before anything is sent there.
    ///   - stream: the tunnel, which is reset when it is granted no longer; nil while it is not there.
    public func mayTunnel(
        _ network: PolicyNetwork, to host: PolicyTarget, port: UInt16, leadingTo address: IPAddress? = nil, for stream: PeerStream? = nil,
        on connection: ConnectionInfo
    ) async -> GateAnswer {
        let asker = PolicyAsker(peer: connection.remotePeer, address: connection.remoteAddress.ipAddress, time: self.now)
        var address = address
        if case .address = host { address = nil }
        let thing = stream.flatMap { stream in stream.protocolID.map { PolicyLedger.Thing.stream(ObjectIdentifier(stream), $0) } }
        return GateAnswer(
            await self.decide(
                PolicyQuestion(.tunnelConnect, .tunnel(network, host, port), asker: asker), leadingTo: address, for: thing, stream))
    }
}

extension GateAnswer {
    /// The answer, with its whole explanation where it is no.
    fileprivate init(_ answer: PolicyAnswer) { self = answer.isGranted ? .granted : .refused("\(answer)") }
}
