/// Rows of words in columns, for people.
struct TextTable {
    private let rows: [[String]]

    init(_ rows: [[String]]) {
        self.rows = rows
    }

    /// The rows, each column as wide as its longest word, two spaces apart.
    var lines: [String] {
        var widths: [Int] = []
        for row in self.rows {
            for (column, word) in row.enumerated() {
                if column == widths.count { widths.append(0) }
                widths[column] = max(widths[column], word.count)
            }
        }
        return self.rows.map { row in
            row.enumerated().map { column, word in column == row.count - 1 ? word : word.padded(to: widths[column]) }.joined(
                separator: "  ")
        }
    }
}

extension String {
    /// With spaces behind it up to so many characters.
    func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - self.count)) }
}
