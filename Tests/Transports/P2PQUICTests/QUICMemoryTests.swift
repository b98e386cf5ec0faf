#if QUIC
    import CNgtcp2Shim
    import P2PTesting
    import Testing

    #if canImport(Glibc)
        import Glibc
    #elseif canImport(Musl)
        import Musl
    #endif

    @Suite("The memory of a QUIC connection")
    struct QUICMemoryTests {
        /// The system's own, and larger ones: what is a multiple of its pages can be given back to it as well.
        private static let pages = [0, 16_384, 65_536]

        /// A block and what was written to it; the rest of it is not looked at.
        private struct Block {
            var bytes: UnsafeMutableRawBufferPointer
            var mark: UInt8
            /// What was written at both ends, as a sparse user does.
            var written: Int

            func write() {
                for offset in self.offsets { self.bytes[offset] = self.mark }
            }

            var isWhole: Bool { self.offsets.allSatisfy { self.bytes[$0] == self.mark } }

            private var offsets: [Int] {
                let count = min(self.written, self.bytes.count)
                return Array(0..<count) + Array(self.bytes.count - count..<self.bytes.count)
            }
        }

        @Test(
            "Blocks keep what is in them through any order of taking, growing, returning, packing and unpacking",
            arguments: [1, 2, 3] as [UInt64], Self.pages)
        func anyOrder(seed: UInt64, page: Int) throws {
            var random = SeededGenerator(seed: seed)
            let memory = try #require(quic_memory_new(page))
            let owner = UnsafeMutableRawPointer(memory)
            var blocks: [Block] = []
            var packings = 0
            for _ in 0..<800 {
                let size = Int.random(in: 1...20_000, using: &random)
                switch Int.random(in: 0..<10, using: &random) {
                case 0..<4 where blocks.count < 40:
                    let isZero = Bool.random(using: &random)
                    let base = try #require(
                        isZero ? quic_memory_allocate_zeros(1, size, owner) : quic_memory_allocate(size, owner))
                    let bytes = UnsafeMutableRawBufferPointer(start: base, count: size)
                    if isZero { #expect(bytes.allSatisfy { $0 == 0 }) }
                    blocks.append(
                        Block(bytes: bytes, mark: .random(in: 1...255, using: &random), written: .random(in: 0...600, using: &random)))
                    blocks[blocks.count - 1].write()
                case 4..<7 where !blocks.isEmpty:
                    let block = blocks.remove(at: Int.random(in: 0..<blocks.count, using: &random))
                    #expect(block.isWhole)
                    quic_memory_release(block.bytes.baseAddress, owner)
                case 7 where !blocks.isEmpty:
                    let index = Int.random(in: 0..<blocks.count, using: &random)
                    let larger = blocks[index].bytes.count + size
                    #expect(blocks[index].isWhole)
                    let old = blocks[index]
                    let base = try #require(quic_memory_reallocate(blocks[index].bytes.baseAddress, larger, owner))
                    blocks[index].bytes = UnsafeMutableRawBufferPointer(start: base, count: larger)
                    #expect(
                        Block(bytes: .init(rebasing: blocks[index].bytes[..<old.bytes.count]), mark: old.mark, written: old.written).isWhole
                    )
                    blocks[index].write()
                default:
                    if quic_memory_pack(memory) > 0 {
                        packings += 1
                        quic_memory_unpack(memory)
                    }
                    #expect(blocks.allSatisfy { $0.isWhole })
                }
            }
            #expect(packings > 50)
            for block in blocks {
                #expect(block.isWhole)
                quic_memory_release(block.bytes.baseAddress, owner)
            }
            quic_memory_free(memory)
        }

        @Test("What is packed takes no more than the lines that are not zero", arguments: Self.pages)
        func packed(page: Int) throws {
            let memory = try #require(quic_memory_new(page))
            let owner = UnsafeMutableRawPointer(memory)
            #expect(quic_memory_pack(memory) == 0)
            let sizes = [8_216, 12_184, 7_192]
            let blocks = try sizes.map { size in try #require(quic_memory_allocate_zeros(1, size, owner)) }
            for block in blocks { block.storeBytes(of: 7, toByteOffset: 4_000, as: UInt8.self) }
            // Eight cells of which a word each says what is in them, and three lines.
            #expect(quic_memory_pack(memory) == 8 * 8 + 3 * 64)
            for block in blocks { #expect(block.load(fromByteOffset: 4_000, as: UInt8.self) == 0) }
            // They are away already.
            #expect(quic_memory_pack(memory) == 0)
            quic_memory_unpack(memory)
            for (block, size) in zip(blocks, sizes) {
                let bytes = UnsafeRawBufferPointer(start: block, count: size)
                #expect(bytes.enumerated().allSatisfy { $0.element == ($0.offset == 4_000 ? 7 : 0) })
                quic_memory_release(block, owner)
            }
            quic_memory_free(memory)
        }

        #if os(Linux)
            @Test("The system's table of pages is asked wherever it can be read")
            func pageTable() {
                let descriptor = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC)
                defer { if descriptor >= 0 { close(descriptor) } }
                #expect(quic_memory_sees_pages() == (descriptor >= 0))
            }
        #endif

        @Test("The cells of a page go together, or stay when more than half of it is in use", arguments: [31, 32, 33], [1, 4, 16])
        func together(lines: Int, cells: Int) throws {
            let memory = try #require(quic_memory_new(cells * 4_096))
            let owner = UnsafeMutableRawPointer(memory)
            // Of each page one cell holds what the others do not: a page of one cell stays by what is in it, others by their sum.
            let block = try #require(quic_memory_allocate_zeros(1, 16 * 4_096, owner))
            let mean = lines * cells
            for page in 0..<(16 / cells) {
                for line in 0..<mean { block.storeBytes(of: 9, toByteOffset: page * cells * 4_096 + line * 64 + 8, as: UInt8.self) }
            }
            #expect(quic_memory_pack(memory) == (lines > 32 ? 0 : 16 * 8 + (16 / cells) * mean * 64))
            if lines <= 32 {
                #expect(UnsafeRawBufferPointer(start: block, count: 16 * 4_096).allSatisfy { $0 == 0 })
                quic_memory_unpack(memory)
            }
            #expect(UnsafeRawBufferPointer(start: block, count: 16 * 4_096).count { $0 == 9 } == (16 / cells) * mean)
            quic_memory_release(block, owner)
            quic_memory_free(memory)
        }

        @Test("Pages that no room can be divided by leave all to the system's allocator", arguments: [1, 2_048, 12_288, 524_288])
        func oddPages(page: Int) throws {
            let memory = try #require(quic_memory_new(page))
            let owner = UnsafeMutableRawPointer(memory)
            let block = try #require(quic_memory_allocate_zeros(1, 20_000, owner))
            #expect(quic_memory_pack(memory) == 0)
            #expect(quic_memory_held(memory) >= 20_000)
            quic_memory_release(block, owner)
            quic_memory_free(memory)
        }

        @Test("More than the room holds, and the smallest, come from elsewhere", arguments: [0, 16_384])
        func overflow(page: Int) throws {
            let memory = try #require(quic_memory_new(page))
            let owner = UnsafeMutableRawPointer(memory)
            let blocks = try (0..<100).map { _ in try #require(quic_memory_allocate(16_384, owner)) }
            #expect(Set(blocks).count == 100)
            for (index, block) in blocks.enumerated() { block.initializeMemory(as: UInt8.self, repeating: UInt8(index), count: 16_384) }
            // Sixteen have a place in the room. All but the first are full of what is not zero, and stay.
            #expect(quic_memory_pack(memory) == 4 * 8)
            quic_memory_unpack(memory)
            for (index, block) in blocks.enumerated() {
                #expect(UnsafeRawBufferPointer(start: block, count: 16_384).allSatisfy { $0 == UInt8(index) })
                quic_memory_release(block, owner)
            }
            let small = try #require(quic_memory_allocate(100, owner))
            #expect(quic_memory_pack(memory) == 0)
            quic_memory_release(small, owner)
            #expect(quic_memory_allocate_zeros(Int.max, 16, owner) == nil)
            quic_memory_free(memory)
        }

        @Test("What is in use is known to the cell, wherever it lies", arguments: Self.pages)
        func held(page: Int) throws {
            let memory = try #require(quic_memory_new(page))
            let owner = UnsafeMutableRawPointer(memory)
            #expect(quic_memory_held(memory) == 0)
            let large = try #require(quic_memory_allocate(5_000, owner))
            #expect(quic_memory_held(memory) == 8_192)
            let small = try #require(quic_memory_allocate_zeros(10, 10, owner))
            let both = quic_memory_held(memory)
            #expect(both >= 8_192 + 100 && both < 8_192 + 256)
            // More than its room has.
            let huge = try #require(quic_memory_allocate(300_000, owner))
            #expect(quic_memory_held(memory) >= both + 300_000)
            let larger = try #require(quic_memory_reallocate(huge, 600_000, owner))
            #expect(quic_memory_held(memory) >= both + 600_000 && quic_memory_held(memory) < both + 700_000)
            let moved = try #require(quic_memory_reallocate(large, 10_000, owner))
            #expect(quic_memory_held(memory) >= 12_288 + 600_000)
            for block in [small, larger, moved] { quic_memory_release(block, owner) }
            #expect(quic_memory_held(memory) == 0)
            quic_memory_free(memory)
        }
    }
#endif
