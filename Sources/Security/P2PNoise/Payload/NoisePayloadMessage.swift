import NIOCore
import P2PProtobuf

/// What each side says of itself inside the Noise handshake, as it travels (libp2p noise spec, "The libp2p Handshake Payload").
struct NoisePayloadMessage {
    var identityKey: [UInt8]?
    var identitySignature: [UInt8]?
    /// The names as bytes: one that is not UTF-8 spoils no more than itself.
    var muxers: [[UInt8]] = []
    var metadata: [UInt8]?
    /// There were more muxers than are kept.
    private(set) var hasTooManyMuxers = false

    init() {}

    /// Reads the message: of duplicate fields the last counts, lists and the extensions grow, and unknown fields mean nothing.
    init(_ bytes: [UInt8]) throws(ProtobufError) {
        var reader = ProtobufReader(ByteBuffer(bytes: bytes))
        while let field = try reader.next() {
            switch (field.number, field.value) {
            case (1, .bytes): self.identityKey = field.array
            case (2, .bytes): self.identitySignature = field.array
            case (4, .bytes(let extensions)): try self.read(extensions: extensions)
            default: break
            }
        }
    }

    private mutating func read(extensions: ByteBuffer) throws(ProtobufError) {
        var reader = ProtobufReader(extensions)
        while let field = try reader.next() {
            guard let bytes = field.bytes else { continue }
            switch field.number {
            case 2 where self.muxers.count < NoiseLimits.maximumMuxers: self.muxers.append(Array(bytes.readableBytesView))
            case 2: self.hasTooManyMuxers = true
            case Self.metadataField: self.metadata = Array(bytes.readableBytesView)
            default: break
            }
        }
    }

    var encoded: [UInt8] {
        var writer = ProtobufWriter(capacity: 256)
        if let identityKey { writer.write(1, bytes: identityKey) }
        if let identitySignature { writer.write(2, bytes: identitySignature) }
        if !self.muxers.isEmpty || self.metadata != nil {
            var extensions = ProtobufWriter()
            for muxer in self.muxers { extensions.write(2, bytes: muxer) }
            if let metadata { extensions.write(Self.metadataField, bytes: metadata) }
            writer.write(4, message: extensions.buffer)
        }
        return writer.bytes
    }

    /// Numbers of extensions above 1,024 are free for experiments; this one is ours.
    private static let metadataField = 20_530
}
