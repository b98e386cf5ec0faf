import Crypto
import P2PCore
import Testing

@testable import P2PPrivateNetwork

#if Sodium
    @Suite("The XSalsa20 key stream")
    struct KeyStreamTests {
        /// NaCl's own test values.
        private let key: PreSharedKey
        private let nonce: [UInt8]

        init() throws {
            self.key = try PreSharedKey(bytes: try hex("1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389"))
            self.nonce = try hex("69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37")
        }

        /// What the stream makes of bytes that arrive in pieces of these sizes, again and again.
        private func applied(to bytes: [UInt8], sizes: [Int]) throws -> [UInt8] {
            var stream = try KeyStream(key: self.key, nonce: self.nonce)
            var output: [UInt8] = []
            var rest = bytes[...]
            var turn = 0
            while !rest.isEmpty {
                let piece = Array(rest.prefix(sizes[turn % sizes.count]))
                rest = rest.dropFirst(piece.count)
                turn += 1
                var target = [UInt8](repeating: 0xee, count: piece.count)
                try piece.withUnsafeBytes { source in try target.withUnsafeMutableBytes { try stream.apply(to: source, into: $0) } }
                output += target
            }
            return output
        }

        @Test("Its first bytes, and the hash of its first 4 MiB, are NaCl's")
        func vectors() throws {
            let stream = try self.applied(to: [UInt8](repeating: 0, count: 4_194_304), sizes: [4_194_304])
            #expect(Array(stream.prefix(32)) == (try hex("eea6a7251c1e72916d11c2cb214d3c252539121d8e234e652d651fa4c8cff880")))
            let digest = Array(SHA256.hash(data: stream))
            #expect(digest == (try hex("662b9d0e3463029156069b12f918691a98f7dfb2ca0393c96bbfc6b1fbd630a2")))
        }

        @Test(
            "Pieces of any sizes give what one piece gives",
            arguments: [[1], [63], [64], [65], [1, 63, 64, 65], [7, 200, 0, 31], [128, 1], [3, 61, 64, 64, 64, 1_000]])
        func pieces(sizes: [Int]) throws {
            let bytes = (0..<5_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            #expect(try self.applied(to: bytes, sizes: sizes) == (try self.applied(to: bytes, sizes: [5_000])))
        }

        @Test("A piece of every length after a piece of every length")
        func everyOffset() throws {
            let bytes = (0..<200).map { UInt8(truncatingIfNeeded: $0 &* 7) }
            let whole = try self.applied(to: bytes, sizes: [200])
            for first in 0...130 {
                for second in [1, 2, 63, 64, 65] {
                    var stream = try KeyStream(key: self.key, nonce: self.nonce)
                    var target = bytes
                    // In place, as well as from one memory to another.
                    try target.withUnsafeMutableBytes { memory in
                        let parts = [memory[..<first], memory[first..<(first + second)], memory[(first + second)...]]
                        for part in parts.map(UnsafeMutableRawBufferPointer.init(rebasing:)) {
                            try stream.apply(to: UnsafeRawBufferPointer(part), into: part)
                        }
                    }
                    #expect(target == whole)
                }
            }
        }

        @Test("Beyond 2^32 blocks it goes on with the next block, and before its count overflows it ends with an error")
        func far() throws {
            let boundary = (UInt64(1) << 32) * 64
            var early = try KeyStream(key: self.key, nonce: self.nonce, position: boundary - 64)
            var late = try KeyStream(key: self.key, nonce: self.nonce, position: boundary)
            let bytes = [UInt8](repeating: 0, count: 128)
            var (first, second) = (bytes, bytes)
            try bytes.withUnsafeBytes { source in
                try first.withUnsafeMutableBytes { try early.apply(to: source, into: $0) }
                try second.withUnsafeMutableBytes { try late.apply(to: source, into: $0) }
            }
            #expect(first[64...] == second[..<64])
            #expect(first[..<64] != second[..<64])

            var last = try KeyStream(key: self.key, nonce: self.nonce, position: .max - 127)
            let error = #expect(throws: PrivateNetworkError.self) {
                try bytes.withUnsafeBytes { source in try first.withUnsafeMutableBytes { try last.apply(to: source, into: $0) } }
            }
            #expect(error?.code == .keyStreamExhausted)
        }
    }
#endif

@Suite("SHAKE128")
struct SHAKE128Tests {
    @Test("The hash of nothing, and of 1,600 bits in two blocks, are those of FIPS 202")
    func vectors() throws {
        #expect(SHAKE128.hash([], count: 16) == (try hex("7f9c2ba4e88f827d616045507605853e")))
        #expect(
            SHAKE128.hash([UInt8](repeating: 0xa3, count: 200), count: 32)
                == (try hex("131ab8d2b594946b9c81333f9bb6e0ce75c3b93104fa3469d3917457385da037")))
    }
}
