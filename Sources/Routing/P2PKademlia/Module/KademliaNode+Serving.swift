import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import Synchronization

/// Requests of others.
extension KademliaNode {
    func serve(_ stream: PeerStream, on connection: PeerConnection) async throws(StreamError) {
        guard self.inbound.wrappingAdd(1, ordering: .relaxed).newValue <= KademliaLimits.inboundStreams else {
            self.inbound.wrappingSubtract(1, ordering: .relaxed)
            throw StreamError(.rateLimited, "\(KademliaLimits.inboundStreams) streams are being answered (inboundStreams)")
        }
        defer { self.inbound.wrappingSubtract(1, ordering: .relaxed) }
        while true {
            guard let end = self.state.withLock({ $0.isServer ? $0.endOfServing : nil }) else {
                throw StreamError(.reset, "this node serves no more")
            }
            let isCrowded = self.inbound.load(ordering: .relaxed) > KademliaLimits.inboundStreams / 2
            let patience = isCrowded ? KademliaLimits.crowdedIdleTime : KademliaLimits.streamIdleTime
            let deadline = self.clock.now().advanced(by: patience)
            let request = try await self.clock.result(by: deadline, unless: end) { () throws(StreamError) -> ByteBuffer? in
                try await stream.readMessage(upTo: KademliaLimits.requestSize)
            }
            if end.isFired { throw StreamError(.reset, "this node serves no more") }
            guard let request else {
                throw StreamError(.timedOut, "the wait for a request took longer than \(patience)")
            }
            guard let bytes = request else { return }
            do throws(StreamError) {
                let answer = try await self.answer(bytes, on: connection)
                self.state.withLock { $0.statistics.answered += 1 }
                // The answer to this one is none: others would take it for that to their next request.
                guard let answer else { continue }
                try await StreamError.within(KademliaLimits.streamIdleTime, on: self.clock, "the answer") { () throws(StreamError) in
                    try await stream.writeMessage(answer.encoded())
                }
            } catch {
                self.state.withLock { $0.statistics.refused += 1 }
                throw error
            }
        }
    }

    private func answer(_ bytes: ByteBuffer, on connection: PeerConnection) async throws(StreamError) -> KademliaMessage? {
        let request: KademliaMessage
        do throws(KademliaMessageError) {
            request = try KademliaMessage(reading: bytes)
        } catch {
            throw StreamError(.malformed, "the request can't be read", cause: error)
        }
        return try await self.answer(request, on: connection)
    }

    /// The answer to a request; nil where there is none.
    ///
    /// - Throws: what resets the stream.
    func answer(_ request: KademliaMessage, on connection: PeerConnection) async throws(StreamError) -> KademliaMessage? {
        let requester = connection.remotePeer
        let (meeting, judge) = (Meeting(connection.info), self.judge)
        switch request.kind {
        case .ping: return KademliaMessage(.ping)
        case .findNode:
            try Self.checkRequest(request.key, upTo: KademliaLimits.keyLength)
            var answer = KademliaMessage(.findNode)
            answer.closer = self.closer(to: request.key, for: requester, at: meeting, judge)
            if let target = await self.target(request.key, for: requester, at: meeting, judge) {
                answer.closer.removeAll { $0.peer == target.peer }
                answer.closer.insert(target, at: 0)
            }
            return answer
        case .getValue:
            try Self.checkRequest(request.key, upTo: KademliaLimits.keyLength)
            var answer = KademliaMessage(.getValue, key: request.key)
            let now = self.clock.now()
            answer.record = self.state.withLock { $0.values.record(for: request.key, at: now) }
            answer.closer = self.closer(to: request.key, for: requester, at: meeting, judge)
            return answer
        case .putValue: return try self.put(request)
        case .getProviders:
            try Self.checkRequest(request.key, upTo: KademliaLimits.providerKeyLength)
            var answer = KademliaMessage(.getProviders, key: request.key)
            answer.providers = await self.providers(of: request.key, at: meeting, judge)
            answer.closer = self.closer(to: request.key, for: requester, at: meeting, judge)
            return answer
        case .addProvider:
            try Self.checkRequest(request.key, upTo: KademliaLimits.providerKeyLength)
            self.addProvider(request, from: requester, at: meeting, judge)
            return nil
        }
    }

    private static func checkRequest(_ key: [UInt8], upTo limit: Int) throws(StreamError) {
        guard (1...limit).contains(key.count) else { throw StreamError(.malformed, "a key of \(key.count) bytes; 1 to \(limit) are taken") }
    }

    /// The servers nearest to a key, never the one who asks; those of which it could be told no address are left out.
    private func closer(to key: [UInt8], for requester: PeerID, at meeting: Meeting, _ judge: AddressJudge) -> [KademliaContact] {
        let target = KademliaPoint(ofKey: key)
        let nearest = self.state.withLock { $0.table.nearest(to: target, count: self.configuration.replication, except: requester) }
        return nearest.map { self.told($0, at: meeting, judge: judge) }.filter { !$0.addresses.isEmpty }
    }

    /// The peer that is asked for itself, if this node is connected to it, knows where it is, or is it: also a client, and with addresses that hold where the
    /// one who asks is.
    private func target(_ key: [UInt8], for requester: PeerID, at meeting: Meeting, _ judge: AddressJudge) async -> KademliaContact? {
        guard let peer = try? PeerID(bytes: key) else { return nil }
        if peer == self.ownPeer { return self.ownContact(at: meeting, judge: judge) }
        // What the peerstore has was told by the peer itself, or proved by a connection.
        let known = KademliaContact(peer, at: await self.host.peerstore.addresses(of: peer))
        let told = self.told(known, at: meeting, judge: judge)
        return told.addresses.isEmpty ? nil : told
    }

    // MARK: Values

    /// The answer repeats the record: go's client can't bear one without.
    private func put(_ request: KademliaMessage) throws(StreamError) -> KademliaMessage {
        guard let record = request.record, record.key == request.key else {
            throw StreamError(.malformed, "the record is one of another key than the request's")
        }
        let key = request.key
        let validator: any RecordValidator
        do throws(KademliaError) {
            validator = try self.configuration.namespaces.validator(for: key)
            try validator.validate(record.value, for: key, at: WallTime.now.secondsSince1970)
        } catch {
            throw StreamError(.malformed, "the value is refused", cause: error)
        }
        let local = self.keptValue(for: key)
        if let local, local != record.value, validator.prefers(local, to: record.value, for: key) {
            guard !Self.isValid(local, for: key, validator) else {
                throw StreamError(.malformed, "there is a better value under that key")
            }
            // What takes the place of this node's own is not.
            self.change { $0.values.remove(key) }
        }
        guard local != nil || !self.isShortOfMemory, let kept = self.keep(record.value, for: key, isOwn: false, validator) else {
            throw StreamError(.resourceLimit, "there is no room for more values")
        }
        var answer = KademliaMessage(.putValue, key: key)
        answer.record = kept
        answer.record?.publisher = record.publisher
        answer.record?.secondsLeft = record.secondsLeft
        return answer
    }

    // MARK: Providers

    private func providers(of key: [UInt8], at meeting: Meeting, _ judge: AddressJudge) async -> [KademliaContact] {
        let now = self.clock.now()
        var known = self.state.withLock { $0.providers.providers(of: key, at: now) }.map { self.told($0, at: meeting, judge: judge) }
        // Its addresses are those of this moment.
        if await self.configuration.keystore.contains(key) {
            let own = self.ownContact(at: meeting, judge: judge)
            if !own.addresses.isEmpty { known.append(own) }
        }
        return known.shuffled()
    }

    /// A peer speaks for itself alone, and says where it is; what else it says is not heard.
    private func addProvider(_ request: KademliaMessage, from requester: PeerID, at meeting: Meeting, _ judge: AddressJudge) {
        guard let contact = request.providers.first(where: { $0.peer == requester }) else { return }
        let addresses = contact.addresses.filter(self.configuration.addresses.admits).compactMap { judge.believed($0, toldAt: meeting) }
        guard !addresses.isEmpty, !self.isShortOfMemory else { return }
        let now = self.clock.now()
        self.change { _ = $0.providers.add(requester, at: addresses, for: request.key, now: now) }
    }
}
