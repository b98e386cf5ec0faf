package import NIOCore
package import P2PCore
import P2PIdentity
import P2PMultiaddr
import P2PMultiformats

/// Writes introductions so that every implementation accepts them.
package enum IntroductionWriter {
    /// The message with its length before it, ``IdentifyLimits/sentMessageSize`` bytes at most.
    ///
    /// What does not fit is left out, always in the same order: addresses from the last (all but the first while the signed
    /// record, which has them too, stays), then the record, then the other addresses, then protocols from the last. Never the key.
    ///
    /// - Throws: ``StreamError/Code/messageTooLarge`` when what is left does not fit either.
    package static func encode(_ introduction: Introduction, upTo limit: Int = IdentifyLimits.sentMessageSize) throws(StreamError)
        -> ByteBuffer
    {
        var wire = IdentifyMessage()
        wire.publicKey = introduction.publicKey?.protobufEncoded
        wire.listenAddresses = introduction.listenAddresses.prefix(IdentifyLimits.addresses).map(\.bytes)
        wire.protocols = introduction.protocols.prefix(IdentifyLimits.protocols).map { Array($0.name.utf8) }
        wire.observedAddress = introduction.observedAddress?.bytes
        wire.protocolVersion = Array(introduction.protocolVersion.cut(to: IdentifyLimits.versionLength).utf8)
        wire.agentVersion = Array(introduction.agentVersion.cut(to: IdentifyLimits.versionLength).utf8)
        wire.signedPeerRecord = introduction.signedRecord

        while true {
            let encoded = wire.encoded
            var message = ByteBufferAllocator().buffer(capacity: encoded.readableBytes + UnsignedVarint.maxLength)
            message.writeUnsignedVarint(UInt64(encoded.readableBytes))
            message.writeImmutableBuffer(encoded)
            if message.readableBytes <= limit { return message }
            if wire.listenAddresses.count > 1 {
                wire.listenAddresses.removeLast()
            } else if wire.signedPeerRecord != nil {
                wire.signedPeerRecord = nil
                wire.listenAddresses = introduction.listenAddresses.prefix(IdentifyLimits.addresses).map(\.bytes)
            } else if !wire.listenAddresses.isEmpty {
                wire.listenAddresses.removeLast()
            } else if !wire.protocols.isEmpty {
                wire.protocols.removeLast()
            } else {
                throw StreamError(.messageTooLarge, "this node's introduction exceeds \(limit) bytes without any address or protocol")
            }
        }
    }
}

extension String {
    /// The longest prefix of whole characters that takes up at most `limit` bytes of UTF-8.
    func cut(to limit: Int) -> String {
        guard self.utf8.count > limit else { return self }
        var cut = String(decoding: self.utf8.prefix(limit), as: UTF8.self)
        while cut.utf8.count > limit || !self.hasPrefix(cut) { cut.removeLast() }
        return cut
    }
}
