package import NIOCore
package import P2PCore
package import P2PIdentity
import P2PMultiaddr
import P2PProtobuf

/// Merges the messages of a peer into its introduction, and checks what can be checked. A value, without I/O.
package struct IntroductionReader {
    /// An introduction of which the key was checked, and the record as far as it goes by itself.
    package struct Reading {
        package var introduction: Introduction
        /// The record, if there was one and it was signed by the peer itself.
        package var record: PeerRecord?
        /// Why a record was ignored.
        var recordError: IdentityError?
    }

    private var wire = IdentifyMessage()
    private var messages = 0

    package init() {}

    /// Merges one more message: lists grow, single fields are replaced (protobuf, "Last One Wins").
    ///
    /// - Throws: ``StreamError/Code/messageTooLarge`` beyond ``IdentifyLimits/receivedMessages``, ``StreamError/Code/malformed``.
    package mutating func merge(_ message: ByteBuffer) throws(StreamError) {
        self.messages += 1
        guard self.messages <= IdentifyLimits.receivedMessages else {
            throw StreamError(.messageTooLarge, "the peer introduced itself in more than \(IdentifyLimits.receivedMessages) messages")
        }
        do throws(ProtobufError) {
            try self.wire.merge(message)
        } catch {
            throw StreamError(.malformed, "\(message.readableBytes) bytes that are not an identify message", cause: error)
        }
    }

    /// The introduction, once the peer has half-closed.
    ///
    /// Texts that are not UTF-8 have what is not replaced, and such protocols are ignored. Addresses that can't be read or that name another peer are ignored: an address of tomorrow must not spoil those of today. A
    /// record that does not verify is ignored too, with the reason; one that does brings its addresses along, in place of the unsigned ones.
    ///
    /// - Throws: ``StreamError/Code/wrongKey`` when the peer claims another key than the one that it proved to hold;
    ///   ``StreamError/Code/unexpectedEnd`` when there was no message.
    package func finish(from peer: PeerID, holding key: PublicKey) throws(StreamError) -> Reading {
        guard self.messages > 0 else { throw StreamError(.unexpectedEnd, "the peer finished without introducing itself") }
        var introduction = Introduction()
        if let publicKey = self.wire.publicKey {
            guard publicKey == key.protobufEncoded else {
                throw StreamError(.wrongKey, "\(peer) introduced itself with another key than the one it proved to hold")
            }
            introduction.publicKey = key
        }
        introduction.listenAddresses = Self.addresses(self.wire.listenAddresses, of: peer)
        introduction.protocols = Self.protocols(self.wire.protocols)
        if let observed = self.wire.observedAddress { introduction.observedAddress = try? Multiaddr(bytes: observed) }
        introduction.protocolVersion = Self.text(self.wire.protocolVersion ?? [])
        introduction.agentVersion = Self.text(self.wire.agentVersion ?? [])

        guard let envelope = self.wire.signedPeerRecord else { return Reading(introduction: introduction) }
        do throws(IdentityError) {
            let record = try PeerRecord.open(envelope, from: peer)
            introduction.signedRecord = envelope
            introduction.listenAddresses = Self.addresses(record.addresses, of: peer)
            return Reading(introduction: introduction, record: record)
        } catch {
            return Reading(introduction: introduction, recordError: error)
        }
    }

    /// The unsigned addresses, for when the record turns out to be an old one.
    func unsignedAddresses(of peer: PeerID) -> [Multiaddr] {
        Self.addresses(self.wire.listenAddresses, of: peer)
    }

    private static func addresses(_ encoded: [[UInt8]], of peer: PeerID) -> [Multiaddr] {
        var seen: Set<Multiaddr> = []
        var addresses: [Multiaddr] = []
        for bytes in encoded where addresses.count < IdentifyLimits.addresses {
            guard let address = try? Multiaddr(bytes: bytes), address.peerID == nil || address.peerID == peer else { continue }
            let bare = address.withoutPeerID
            if !bare.isEmpty, seen.insert(bare).inserted { addresses.append(bare) }
        }
        return addresses
    }

    /// What is not UTF-8 is replaced: such a text says little, and spoils nothing else.
    private static func text(_ bytes: [UInt8]) -> String {
        String(decoding: bytes, as: UTF8.self).cut(to: IdentifyLimits.versionLength)
    }

    private static func protocols(_ names: [[UInt8]]) -> [ProtocolID] {
        var seen: Set<ProtocolID> = []
        var protocols: [ProtocolID] = []
        for name in names where protocols.count < IdentifyLimits.protocols {
            guard let name = String(validating: name, as: UTF8.self), let id = ProtocolID(validating: name), seen.insert(id).inserted
            else { continue }
            protocols.append(id)
        }
        return protocols
    }
}
