import NIOCore
import P2PCore
import P2PIdentify
import P2PIdentity
import P2PMultiaddr
import P2PMultiformats

/// Identify messages: what is taken of them is bounded and well-formed, and fits into a message of ours again.
enum IdentifyFuzzing {
    static func run(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        var reader = IntroductionReader()
        if input.byte() == 0 {
            guard (try? reader.merge(ByteBuffer(bytes: input.remainder()))) != nil else { return }
        } else {
            while !input.isEmpty {
                guard (try? reader.merge(ByteBuffer(bytes: input.take(input.short() % 1_024)))) != nil else { return }
            }
        }
        guard let reading = try? reader.finish(from: FuzzIdentity.peer, holding: FuzzIdentity.key) else { return }
        let introduction = reading.introduction
        Self.check(introduction)
        precondition(reading.record == nil || reading.record == IdentityFuzzing.record, "a forged record was accepted")
        precondition((introduction.signedRecord == nil) == (reading.record == nil))
        guard var message = try? IntroductionWriter.encode(introduction) else { return }
        precondition(message.readableBytes <= IdentifyLimits.sentMessageSize)
        var again = IntroductionReader()
        guard (try? message.readUnsignedVarint()) == UInt64(message.readableBytes), (try? again.merge(message)) != nil,
            let second = try? again.finish(from: FuzzIdentity.peer, holding: FuzzIdentity.key)
        else { preconditionFailure("our own message is refused") }
        precondition(introduction.listenAddresses.starts(with: second.introduction.listenAddresses))
        precondition(introduction.protocols.starts(with: second.introduction.protocols))
        precondition(introduction.agentVersion == second.introduction.agentVersion)
        precondition(introduction.observedAddress == second.introduction.observedAddress)
    }

    private static func check(_ introduction: Introduction) {
        precondition(introduction.listenAddresses.count <= IdentifyLimits.addresses)
        precondition(introduction.protocols.count <= IdentifyLimits.protocols)
        precondition(introduction.protocols.allSatisfy { ProtocolID(validating: $0.name) != nil })
        precondition(introduction.agentVersion.utf8.count <= IdentifyLimits.versionLength)
        precondition(introduction.protocolVersion.utf8.count <= IdentifyLimits.versionLength)
        precondition(introduction.publicKey == nil || introduction.publicKey == FuzzIdentity.key)
        precondition(introduction.listenAddresses.allSatisfy { !$0.isEmpty && ($0.peerID == nil || $0.isRelayed) })
        precondition(Set(introduction.listenAddresses).count == introduction.listenAddresses.count)
    }
}
