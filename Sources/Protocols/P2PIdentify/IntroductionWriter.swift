package import NIOCore
package import P2PCore
import P2PIdentity
import P2PMultiaddr
import P2PMultiformats
import SwiftProtobuf

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

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
        var wire = WireIdentify()
        if let key = introduction.publicKey { wire.publicKey = Data(key.protobufEncoded) }
        wire.listenAddrs = introduction.listenAddresses.prefix(IdentifyLimits.addresses).map { Data($0.bytes) }
        wire.protocols = introduction.protocols.prefix(IdentifyLimits.protocols).map { Data($0.name.utf8) }
        if let address = introduction.observedAddress { wire.observedAddr = Data(address.bytes) }
        wire.protocolVersion = Data(introduction.protocolVersion.cut(to: IdentifyLimits.versionLength).utf8)
        wire.agentVersion = Data(introduction.agentVersion.cut(to: IdentifyLimits.versionLength).utf8)
        if let record = introduction.signedRecord { wire.signedPeerRecord = Data(record) }

        while true {
            let encoded: [UInt8]
            do {
                encoded = try wire.serializedBytes()
            } catch {
                throw StreamError(.malformed, "this node's introduction can't be encoded", cause: error)
            }
            var message = ByteBufferAllocator().buffer(capacity: encoded.count + UnsignedVarint.maxLength)
            message.writeUnsignedVarint(UInt64(encoded.count))
            message.writeBytes(encoded)
            if message.readableBytes <= limit { return message }
            if wire.listenAddrs.count > 1 {
                wire.listenAddrs.removeLast()
            } else if wire.hasSignedPeerRecord {
                wire.clearSignedPeerRecord()
                wire.listenAddrs = introduction.listenAddresses.prefix(IdentifyLimits.addresses).map { Data($0.bytes) }
            } else if !wire.listenAddrs.isEmpty {
                wire.listenAddrs.removeLast()
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
