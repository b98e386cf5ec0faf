import NIOCore
import P2PMultiformats

/// Varints, bases, hashes and CIDs: what is accepted has one spelling, which is the one that came in.
enum MultiformatsFuzzing {
    static func varint(_ bytes: [UInt8]) {
        var buffer = ByteBuffer(bytes: bytes)
        let read = Result { () throws(MultiformatsError) in try buffer.readUnsignedVarint() }
        do throws(MultiformatsError) {
            let (value, length) = try UnsignedVarint.decode(bytes)
            precondition(UnsignedVarint.encode(value) == Array(bytes.prefix(length)), "two spellings of \(value)")
            precondition(UnsignedVarint.encodedLength(of: value) == length)
            guard case .success(value) = read else { preconditionFailure("a buffer reads \(value) as \(read)") }
            precondition(buffer.readerIndex == length)
        } catch {
            switch read {
            case .success(let value): precondition(value == nil && error.code == .truncated, "\(error), but a buffer reads \(read)")
            case .failure(let other): precondition(other.code == error.code, "\(error), but a buffer says \(other)")
            }
            precondition(buffer.readerIndex == 0, "an unread varint was consumed")
        }
        let number = bytes.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) } & UnsignedVarint.maxValue
        guard let decoded = try? UnsignedVarint.decode(UnsignedVarint.encode(number)), decoded.value == number else {
            preconditionFailure("\(number) does not come back")
        }
    }

    static func multibase(_ bytes: [UInt8]) {
        let text = String(decoding: bytes, as: UTF8.self)
        if let (base, decoded) = try? Multibase.decodeNamingBase(text) {
            let again = Multibase.encode(decoded, as: base)
            precondition(again.first == text.first)
            switch base {
            case .base58btc, .base58flickr, .base64, .base64pad, .base64url, .base64urlpad:
                precondition(again == text, "two spellings in \(base): \(text) and \(again)")
            default:
                precondition(again.lowercased() == text.lowercased(), "two spellings in \(base): \(text) and \(again)")
            }
        }
        let base = Multibase.allCases[Int(bytes.first ?? 0) % Multibase.allCases.count]
        let content = Array(bytes.dropFirst().prefix(256))
        do throws(MultiformatsError) {
            let decoded = try Multibase.decode(Multibase.encode(content, as: base))
            precondition(decoded == content, "\(content) in \(base) comes back as \(decoded)")
        } catch {
            precondition(error.code == .tooLong, "\(content) in \(base) is refused: \(error)")
        }
    }

    static func multihash(_ bytes: [UInt8]) {
        guard let hash = try? Multihash(bytes: bytes) else { return }
        precondition(hash.bytes == bytes, "two spellings of \(hash)")
        precondition(hash.digest.count <= Multihash.maxDigestLength)
        precondition((try? Multihash(code: hash.code, digest: hash.digest)) == hash)
    }

    static func cid(_ bytes: [UInt8]) {
        if let cid = try? CID(bytes: bytes) {
            precondition(cid.bytes == bytes, "two spellings of \(cid)")
            Self.checkText(of: cid)
        }
        if let cid = try? CID(String(decoding: bytes, as: UTF8.self)) { Self.checkText(of: cid) }
    }

    private static func checkText(of cid: CID) {
        for base in [Multibase.base16, .base32, .base36, .base58btc, .base64url] {
            guard let again = try? CID(cid.text(as: base)), again == cid else { preconditionFailure("\(cid) is lost in \(base)") }
        }
    }
}
