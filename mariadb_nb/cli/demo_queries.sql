-- 200 queries of a day in the shop of dataset.py: look-ups by key, lists, reports over
-- all that was ever sold, and a few that only wait. They may run in any order.

SELECT id, amount, method FROM (SELECT o.id, p.amount, p.method,
  ROW_NUMBER() OVER (PARTITION BY p.method ORDER BY p.amount DESC) AS place
  FROM orders o JOIN payments p ON p.order_id = o.id) best WHERE place <= 5;
SELECT c.name, c.country, o.id, o.status FROM orders o JOIN customers c ON c.id = o.customer_id
WHERE o.id BETWEEN 12466 AND 12486;
SELECT DISTINCT PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY amount) OVER (PARTITION BY method) AS median,
  method FROM payments;
SELECT city, COUNT(*) AS customers FROM customers GROUP BY city HAVING customers > 100 ORDER BY customers DESC;
SELECT id, email, city FROM customers WHERE name = 'Ελένη Γεωργίου';
SELECT child.name, COUNT(*) AS items, SUM(i.quantity * i.price) AS turnover
FROM categories parent JOIN categories child ON child.parent_id = parent.id
JOIN products p ON p.category_id = child.id JOIN order_items i ON i.product_id = p.id
WHERE parent.name = 'Office' GROUP BY child.id ORDER BY turnover DESC;
SELECT id, customer_id, status, shipping FROM orders
WHERE ordered_at >= '2024-12-24' AND ordered_at < '2024-12-24' + INTERVAL 1 DAY;
SELECT sku, name, price, stock FROM products WHERE id = 129;
SELECT sku, name, price FROM products WHERE price BETWEEN 49 AND 52 ORDER BY price;
SELECT name, email FROM customers WHERE country = 'PL' AND city = 'Kraków' ORDER BY name;
SELECT SLEEP(0.2) AS waited_for_currency;
SELECT c.name, c.country, o.id, o.status FROM orders o JOIN customers c ON c.id = o.customer_id
WHERE o.id BETWEEN 18230 AND 18280;
SELECT c.name, c.country, o.id, o.status FROM orders o JOIN customers c ON c.id = o.customer_id
WHERE o.id BETWEEN 38495 AND 38515;
SELECT COUNT(*), AVG(stars) FROM reviews WHERE product_id = 812;
SELECT p.name, SUM(i.quantity) AS sold FROM order_items i
JOIN orders o ON o.id = i.order_id JOIN products p ON p.id = i.product_id
WHERE o.ordered_at >= '2023-10-01' AND o.ordered_at < '2024-01-01'
GROUP BY p.id ORDER BY sold DESC LIMIT 10;
SELECT o.id, o.ordered_at, c.name, c.city FROM orders o JOIN customers c ON c.id = o.customer_id
WHERE o.ordered_at >= '2024-07-01';
SELECT p.name, COUNT(*) AS orders FROM order_items i JOIN products p ON p.id = i.product_id
WHERE i.order_id BETWEEN 29612 AND 34612 GROUP BY p.id ORDER BY orders DESC LIMIT 5;
SELECT * FROM (
  SELECT k.name AS category, p.name, SUM(i.quantity) AS sold,
    RANK() OVER (PARTITION BY k.id ORDER BY SUM(i.quantity) DESC) AS place
  FROM order_items i JOIN orders o ON o.id = i.order_id
  JOIN products p ON p.id = i.product_id JOIN categories k ON k.id = p.category_id
  WHERE YEAR(o.ordered_at) = 2023 GROUP BY k.id, p.id) ranked WHERE place <= 3;
SELECT SUM(quantity * price * (1 - COALESCE(discount, 0))) AS total FROM order_items WHERE order_id = 12102;
SELECT stars, COUNT(*) AS reviews, COUNT(body) AS with_text FROM reviews GROUP BY stars;
SELECT id, ordered_at FROM orders WHERE status = 'open' ORDER BY ordered_at;
SELECT stars, title, body, written FROM reviews WHERE product_id = 40 ORDER BY written DESC LIMIT 10;
SELECT id, customer_id, status, shipping FROM orders
WHERE ordered_at >= '2023-11-24' AND ordered_at < '2023-11-24' + INTERVAL 1 DAY;
SELECT COUNT(*) FROM order_items;
SELECT sku, name, price, stock FROM products WHERE id = 1311;
SELECT c.country, COUNT(*) AS orders, SUM(p.amount) AS revenue
FROM orders o JOIN customers c ON c.id = o.customer_id JOIN payments p ON p.order_id = o.id
WHERE o.ordered_at >= '2022-01-01' AND o.ordered_at < '2023-01-01'
GROUP BY c.country ORDER BY revenue DESC;
SELECT id, customer_id, ordered_at, status FROM orders;
SELECT discount, SUM(quantity * price * discount) AS given FROM order_items
WHERE discount IS NOT NULL GROUP BY discount;
SELECT COUNT(*) FROM orders;
SELECT c.name, c.country, o.id, o.status FROM orders o JOIN customers c ON c.id = o.customer_id
WHERE o.id BETWEEN 29648 AND 29848;
SELECT c.name, c.country, o.id, o.status FROM orders o JOIN customers c ON c.id = o.customer_id
WHERE o.id BETWEEN 19884 AND 19904;
SELECT id, email, city FROM customers WHERE name = 'Jürgen Müller';
SELECT SLEEP(0.45) AS waited_for_fraud;
SELECT p.name, AVG(r.stars) AS stars, COUNT(*) AS reviews FROM reviews r
JOIN products p ON p.id = r.product_id GROUP BY p.id HAVING reviews >= 12 ORDER BY stars DESC LIMIT 20;
SELECT id, email, city FROM customers WHERE name = 'Łukasz Wiśniewski';
SELECT DATE_FORMAT(o.ordered_at, '%Y-%m') AS month, SUM(p.amount) AS revenue
FROM customers c JOIN orders o ON o.customer_id = c.id JOIN payments p ON p.order_id = o.id
WHERE c.country = 'CZ' GROUP BY month ORDER BY month;
SELECT p.name, COUNT(*) AS orders FROM order_items i JOIN products p ON p.id = i.product_id
WHERE i.order_id BETWEEN 35304 AND 40304 GROUP BY p.id ORDER BY orders DESC LIMIT 5;
SELECT status, COUNT(*) AS orders, SUM(shipping) AS shipping FROM orders
WHERE ordered_at >= '2023-01-01' AND ordered_at < '2024-01-01' GROUP BY status;
SELECT c.country, COUNT(*) AS orders, SUM(p.amount) AS revenue
FROM orders o JOIN customers c ON c.id = o.customer_id JOIN payments p ON p.order_id = o.id
WHERE o.ordered_at >= '2024-01-01' AND o.ordered_at < '2025-01-01'
GROUP BY c.country ORDER BY revenue DESC;
SELECT COUNT(*), AVG(stars) FROM reviews WHERE product_id = 975;
SELECT id, customer_id, status, shipping FROM orders
WHERE ordered_at >= '2024-06-01' AND ordered_at < '2024-06-01' + INTERVAL 1 DAY;
SELECT stars, title, body, written FROM reviews WHERE product_id = 808 ORDER BY written DESC LIMIT 10;
SELECT o.status, AVG(p.amount) AS average FROM orders o JOIN payments p ON p.order_id = o.id GROUP BY o.status;
SELECT p.name, p.stock, SUM(i.quantity) AS sold FROM products p JOIN order_items i ON i.product_id = p.id
GROUP BY p.id HAVING sold > 20 * p.stock ORDER BY sold DESC LIMIT 40;
SELECT sku, name, price FROM products WHERE price BETWEEN 150 AND 175 ORDER BY price;
SELECT stars, title, body, written FROM reviews WHERE product_id = 2 ORDER BY written DESC LIMIT 10;
SELECT o.*, p.method, p.amount FROM orders o LEFT JOIN payments p ON p.order_id = o.id
WHERE o.id = 19283;
SELECT name, weight_kg FROM products WHERE weight_kg IS NULL ORDER BY name;
SELECT DATE(paid_at) AS day, SUM(amount) AS amount FROM payments
WHERE method = 'invoice' GROUP BY day ORDER BY amount DESC LIMIT 30;
SELECT DATEDIFF(shipped_on, ordered_at) AS days, COUNT(*) AS orders FROM orders GROUP BY days ORDER BY days;
SELECT id, name, description FROM products;
SELECT status, COUNT(*) AS orders, SUM(shipping) AS shipping FROM orders
WHERE ordered_at >= '2022-01-01' AND ordered_at < '2023-01-01' GROUP BY status;
SELECT id, ordered_at, status FROM orders WHERE customer_id = 10101 ORDER BY ordered_at DESC;
SELECT child.name, COUNT(*) AS items, SUM(i.quantity * i.price) AS turnover
FROM categories parent JOIN categories child ON child.parent_id = parent.id
JOIN products p ON p.category_id = child.id JOIN order_items i ON i.product_id = p.id
WHERE parent.name = 'Music' GROUP BY child.id ORDER BY turnover DESC;
SELECT SLEEP(0.4) AS waited_for_shipping;
SELECT SUM(quantity * price * (1 - COALESCE(discount, 0))) AS total FROM order_items WHERE order_id = 4140;
SELECT p.name, COUNT(*) AS orders FROM order_items i JOIN products p ON p.id = i.product_id
WHERE i.order_id BETWEEN 33549 AND 38549 GROUP BY p.id ORDER BY orders DESC LIMIT 5;
SELECT COUNT(*), AVG(stars) FROM reviews WHERE product_id = 915;
SELECT COUNT(*), AVG(stars) FROM reviews WHERE product_id = 1659;
SELECT c.name, c.country, o.id, o.status FROM orders o JOIN customers c ON c.id = o.customer_id
WHERE o.id BETWEEN 41280 AND 41480;
SELECT i.line, p.name, i.quantity, i.price, i.discount
FROM order_items i JOIN products p ON p.id = i.product_id WHERE i.order_id = 20000;
SELECT COUNT(*) FROM categories;
SELECT child.name, COUNT(*) AS items, SUM(i.quantity * i.price) AS turnover
FROM categories parent JOIN categories child ON child.parent_id = parent.id
JOIN products p ON p.category_id = child.id JOIN order_items i ON i.product_id = p.id
WHERE parent.name = 'Cycling' GROUP BY child.id ORDER BY turnover DESC;
SELECT HOUR(ordered_at) AS hour, COUNT(*) AS orders FROM orders GROUP BY hour ORDER BY hour;
SELECT SUM(quantity * price * (1 - COALESCE(discount, 0))) AS total FROM order_items WHERE order_id = 30517;
SELECT c.city, AVG(p.amount) AS average FROM customers c JOIN orders o ON o.customer_id = c.id
JOIN payments p ON p.order_id = o.id GROUP BY c.city ORDER BY average DESC LIMIT 10;
SELECT COUNT(*), AVG(stars) FROM reviews WHERE product_id = 1024;
SELECT id, ordered_at, status FROM orders WHERE customer_id = 7777 ORDER BY ordered_at DESC;
WITH monthly AS (
  SELECT DATE_FORMAT(o.ordered_at, '%Y-%m') AS month, SUM(p.amount) AS revenue
  FROM orders o JOIN payments p ON p.order_id = o.id JOIN customers c ON c.id = o.customer_id
  WHERE c.country = 'ES' GROUP BY month)
SELECT month, revenue, SUM(revenue) OVER (ORDER BY month) AS so_far,
  revenue - LAG(revenue) OVER (ORDER BY month) AS growth FROM monthly;
SELECT YEAR(written) AS year, AVG(stars) AS stars FROM reviews GROUP BY year;
SELECT c.name, c.country, o.id, o.status FROM orders o JOIN customers c ON c.id = o.customer_id
WHERE o.id BETWEEN 302 AND 502;
SELECT NTILE(10) OVER (ORDER BY amount) AS tenth, amount FROM payments ORDER BY amount DESC LIMIT 1000;
SELECT id, name FROM customers WHERE email LIKE 'customer4021@%';
SELECT p.name, COUNT(*) AS orders FROM order_items i JOIN products p ON p.id = i.product_id
WHERE i.order_id BETWEEN 39023 AND 44023 GROUP BY p.id ORDER BY orders DESC LIMIT 5;
SELECT p.name, COUNT(*) AS orders FROM order_items i JOIN products p ON p.id = i.product_id
WHERE i.order_id BETWEEN 5453 AND 10453 GROUP BY p.id ORDER BY orders DESC LIMIT 5;
WITH RECURSIVE days AS (SELECT DATE '2024-12-01' AS day UNION ALL
  SELECT day + INTERVAL 1 DAY FROM days WHERE day < '2024-12-31')
SELECT day, COUNT(o.id) AS orders FROM days LEFT JOIN orders o
  ON o.ordered_at >= day AND o.ordered_at < day + INTERVAL 1 DAY GROUP BY day;
SELECT SLEEP(0.5) AS waited_for_credit;
SELECT name, description FROM products WHERE description LIKE '%recommande%' LIMIT 50;
SELECT COUNT(*) AS unpaid FROM orders o LEFT JOIN payments p ON p.order_id = o.id WHERE p.order_id IS NULL;
SELECT DATE_FORMAT(o.ordered_at, '%Y-%m') AS month, SUM(p.amount) AS revenue
FROM customers c JOIN orders o ON o.customer_id = c.id JOIN payments p ON p.order_id = o.id
WHERE c.country = 'DE' GROUP BY month ORDER BY month;
SELECT k.name, AVG(i.discount) AS discount, COUNT(i.discount) AS discounted
FROM order_items i JOIN products p ON p.id = i.product_id JOIN categories k ON k.id = p.category_id
GROUP BY k.id ORDER BY discount DESC;
SELECT p.name, COUNT(*) AS orders FROM order_items i JOIN products p ON p.id = i.product_id
WHERE i.order_id BETWEEN 10322 AND 15322 GROUP BY p.id ORDER BY orders DESC LIMIT 5;
SELECT SUM(quantity * price * (1 - COALESCE(discount, 0))) AS total FROM order_items WHERE order_id = 5943;
SELECT id, ordered_at, status FROM orders WHERE customer_id = 5 ORDER BY ordered_at DESC;
SELECT COUNT(*) FROM products;
SELECT COUNT(*), AVG(stars) FROM reviews WHERE product_id = 1726;
SELECT c.name, c.country, o.id, o.status FROM orders o JOIN customers c ON c.id = o.customer_id
WHERE o.id BETWEEN 45446 AND 45646;
SELECT p.name, COUNT(*) AS orders FROM order_items i JOIN products p ON p.id = i.product_id
WHERE i.order_id BETWEEN 1972 AND 6972 GROUP BY p.id ORDER BY orders DESC LIMIT 5;
SELECT id, name FROM customers WHERE email LIKE 'customer1@%';
SELECT * FROM payments WHERE amount > 100;
SELECT * FROM customers;
SELECT id, name, city FROM customers WHERE country IN ('GR', 'JP', 'CZ');
SELECT p.name, AVG(r.stars) AS stars, COUNT(*) AS reviews FROM reviews r
JOIN products p ON p.id = r.product_id GROUP BY p.id HAVING reviews >= 9 ORDER BY stars DESC LIMIT 20;
SELECT quantity, COUNT(*) AS sold, AVG(price) AS average FROM order_items GROUP BY quantity;
SELECT order_id, product_id, quantity, price FROM order_items;
SELECT COUNT(*) FROM reviews;
SELECT child.name, COUNT(*) AS items, SUM(i.quantity * i.price) AS turnover
FROM categories parent JOIN categories child ON child.parent_id = parent.id
JOIN products p ON p.category_id = child.id JOIN order_items i ON i.product_id = p.id
WHERE parent.name = 'Garden' GROUP BY child.id ORDER BY turnover DESC;
SELECT c.country, COUNT(*) AS orders, SUM(p.amount) AS revenue
FROM orders o JOIN customers c ON c.id = o.customer_id JOIN payments p ON p.order_id = o.id
WHERE o.ordered_at >= '2023-01-01' AND o.ordered_at < '2024-01-01'
GROUP BY c.country ORDER BY revenue DESC;
SELECT SLEEP(0.35) AS waited_for_address;
SELECT o.*, p.method, p.amount FROM orders o LEFT JOIN payments p ON p.order_id = o.id
WHERE o.id = 4711;
SELECT o.*, p.method, p.amount FROM orders o LEFT JOIN payments p ON p.order_id = o.id
WHERE o.id = 47999;
SELECT SUM(weight_kg * stock) AS kilograms, SUM(price * stock) AS worth FROM products;
SELECT SUM(quantity * price * (1 - COALESCE(discount, 0))) AS total FROM order_items WHERE order_id = 39297;
SELECT COUNT(*), SUM(amount), AVG(amount), MAX(amount) FROM payments WHERE method = 'transfer';
SELECT id, email, city FROM customers WHERE name = 'Siobhán O''Brien';
SELECT o.*, p.method, p.amount FROM orders o LEFT JOIN payments p ON p.order_id = o.id
WHERE o.id = 12;
SELECT COUNT(*), SUM(amount), AVG(amount), MAX(amount) FROM payments WHERE method = 'invoice';
SELECT o.*, p.method, p.amount FROM orders o LEFT JOIN payments p ON p.order_id = o.id
WHERE o.id = 45678;
SELECT name, email FROM customers WHERE country = 'DK' AND city = 'Ærøskøbing' ORDER BY name;
SELECT c.name, c.country, o.id, o.status FROM orders o JOIN customers c ON c.id = o.customer_id
WHERE o.id BETWEEN 12801 AND 13001;
SELECT SUM(quantity * price * (1 - COALESCE(discount, 0))) AS total FROM order_items WHERE order_id = 36128;
SELECT child.name, COUNT(*) AS items, SUM(i.quantity * i.price) AS turnover
FROM categories parent JOIN categories child ON child.parent_id = parent.id
JOIN products p ON p.category_id = child.id JOIN order_items i ON i.product_id = p.id
WHERE parent.name = 'Kitchen' GROUP BY child.id ORDER BY turnover DESC;
SELECT parent.name AS parent, child.name FROM categories parent
JOIN categories child ON child.parent_id = parent.id ORDER BY 1, 2;
SELECT * FROM (
  SELECT k.name AS category, p.name, SUM(i.quantity) AS sold,
    RANK() OVER (PARTITION BY k.id ORDER BY SUM(i.quantity) DESC) AS place
  FROM order_items i JOIN orders o ON o.id = i.order_id
  JOIN products p ON p.id = i.product_id JOIN categories k ON k.id = p.category_id
  WHERE YEAR(o.ordered_at) = 2024 GROUP BY k.id, p.id) ranked WHERE place <= 3;
SELECT * FROM products WHERE sku = 'SKU000042';
SELECT COUNT(*), AVG(stars) FROM reviews WHERE product_id = 1450;
SELECT SUM(quantity * price * (1 - COALESCE(discount, 0))) AS total FROM order_items WHERE order_id = 2745;
SELECT c.id, c.name, SUM(p.amount) AS spent FROM customers c JOIN orders o ON o.customer_id = c.id
JOIN payments p ON p.order_id = o.id GROUP BY c.id ORDER BY spent DESC LIMIT 25;
SELECT * FROM reviews WHERE body IS NOT NULL;
SELECT MONTH(ordered_at) AS month, COUNT(*) AS orders FROM orders
WHERE ordered_at >= '2024-01-01' AND ordered_at < '2025-01-01' GROUP BY month ORDER BY month;
SELECT SLEEP(0.15) AS waited_for_loyalty;
SELECT name, city, country, registered FROM customers WHERE id = 1204;
SELECT i.line, p.name, i.quantity, i.price, i.discount
FROM order_items i JOIN products p ON p.id = i.product_id WHERE i.order_id = 47000;
SELECT country, COUNT(*) AS customers, SUM(newsletter) AS readers FROM customers GROUP BY country ORDER BY customers DESC;
SELECT p.name, COUNT(*) AS orders FROM order_items i JOIN products p ON p.id = i.product_id
WHERE i.order_id BETWEEN 19278 AND 24278 GROUP BY p.id ORDER BY orders DESC LIMIT 5;
SELECT i.line, p.name, i.quantity, i.price, i.discount
FROM order_items i JOIN products p ON p.id = i.product_id WHERE i.order_id = 100;
SELECT sku, name, price, stock FROM products WHERE id = 3;
WITH monthly AS (
  SELECT DATE_FORMAT(o.ordered_at, '%Y-%m') AS month, SUM(p.amount) AS revenue
  FROM orders o JOIN payments p ON p.order_id = o.id JOIN customers c ON c.id = o.customer_id
  WHERE c.country = 'PL' GROUP BY month)
SELECT month, revenue, SUM(revenue) OVER (ORDER BY month) AS so_far,
  revenue - LAG(revenue) OVER (ORDER BY month) AS growth FROM monthly;
SELECT id, name FROM customers WHERE email LIKE 'customer9350@%';
SELECT MONTH(ordered_at) AS month, COUNT(*) AS orders FROM orders
WHERE ordered_at >= '2023-01-01' AND ordered_at < '2024-01-01' GROUP BY month ORDER BY month;
SELECT DAYNAME(ordered_at) AS day, COUNT(*) AS orders FROM orders GROUP BY day ORDER BY orders DESC;
SELECT SUM(quantity * price * (1 - COALESCE(discount, 0))) AS total FROM order_items WHERE order_id = 12202;
SELECT COUNT(*) FROM customers;
SELECT p.name, AVG(r.stars) AS stars, COUNT(*) AS reviews FROM reviews r
JOIN products p ON p.id = r.product_id GROUP BY p.id HAVING reviews >= 15 ORDER BY stars DESC LIMIT 20;
SELECT p.name, COUNT(*) AS orders FROM order_items i JOIN products p ON p.id = i.product_id
WHERE i.order_id BETWEEN 38730 AND 43730 GROUP BY p.id ORDER BY orders DESC LIMIT 5;
SELECT id, email, city FROM customers WHERE name = '佐藤 翔太';
SELECT id, name FROM customers WHERE email LIKE 'customer11482@%';
SELECT COUNT(*), AVG(stars) FROM reviews WHERE product_id = 1277;
SELECT DATE_FORMAT(o.ordered_at, '%Y-%m') AS month, SUM(p.amount) AS revenue
FROM customers c JOIN orders o ON o.customer_id = c.id JOIN payments p ON p.order_id = o.id
WHERE c.country = 'FR' GROUP BY month ORDER BY month;
SELECT name, email FROM customers WHERE country = 'JP' AND city = '東京' ORDER BY name;
SELECT COUNT(*), AVG(stars) FROM reviews WHERE product_id = 1594;
SELECT name, city, country, registered FROM customers WHERE id = 3070;
SELECT SLEEP(0.25) AS waited_for_stock;
SELECT COUNT(*), SUM(amount), AVG(amount), MAX(amount) FROM payments WHERE method = 'card';
SELECT c.name, c.country, o.id, o.status FROM orders o JOIN customers c ON c.id = o.customer_id
WHERE o.id BETWEEN 29688 AND 29888;
SELECT SUM(quantity * price * (1 - COALESCE(discount, 0))) AS total FROM order_items WHERE order_id = 28871;
SELECT c.name, c.country, o.id, o.status FROM orders o JOIN customers c ON c.id = o.customer_id
WHERE o.id BETWEEN 30405 AND 30455;
SELECT COUNT(*), AVG(stars) FROM reviews WHERE product_id = 74;
SELECT i.line, p.name, i.quantity, i.price, i.discount
FROM order_items i JOIN products p ON p.id = i.product_id WHERE i.order_id = 33333;
SELECT SUM(quantity * price * (1 - COALESCE(discount, 0))) AS total FROM order_items WHERE order_id = 15313;
SELECT p.name, COUNT(*) AS orders FROM order_items i JOIN products p ON p.id = i.product_id
WHERE i.order_id BETWEEN 3903 AND 8903 GROUP BY p.id ORDER BY orders DESC LIMIT 5;
SELECT id, ordered_at, status FROM orders WHERE customer_id = 311 ORDER BY ordered_at DESC;
SELECT COUNT(*), AVG(stars) FROM reviews WHERE product_id = 1041;
WITH first_order AS (SELECT customer_id, MIN(ordered_at) AS since FROM orders GROUP BY customer_id)
SELECT DATE_FORMAT(since, '%Y-%m') AS cohort, COUNT(*) AS customers FROM first_order GROUP BY cohort;
SELECT DATE(paid_at) AS day, SUM(amount) AS amount FROM payments
WHERE method = 'card' GROUP BY day ORDER BY amount DESC LIMIT 30;
SELECT name, email FROM customers WHERE country = 'FR' AND city = 'Besançon' ORDER BY name;
SELECT name, email FROM customers WHERE country = 'DE' AND city = 'Köln' ORDER BY name;
WITH monthly AS (
  SELECT DATE_FORMAT(o.ordered_at, '%Y-%m') AS month, SUM(p.amount) AS revenue
  FROM orders o JOIN payments p ON p.order_id = o.id JOIN customers c ON c.id = o.customer_id
  WHERE c.country = 'DE' GROUP BY month)
SELECT month, revenue, SUM(revenue) OVER (ORDER BY month) AS so_far,
  revenue - LAG(revenue) OVER (ORDER BY month) AS growth FROM monthly;
SELECT COUNT(*) AS without_order FROM customers c
WHERE NOT EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = c.id);
SELECT sku, name, price, stock FROM products WHERE id = 1998;
SELECT name, city, country, registered FROM customers WHERE id = 5561;
SELECT o.*, p.method, p.amount FROM orders o LEFT JOIN payments p ON p.order_id = o.id
WHERE o.id = 22222;
SELECT name FROM customers WHERE born IS NULL AND newsletter ORDER BY registered DESC LIMIT 100;
SELECT id, ordered_at, status FROM orders WHERE customer_id = 2048 ORDER BY ordered_at DESC;
SELECT SLEEP(0.3) AS waited_for_tax;
SELECT i.line, p.name, i.quantity, i.price, i.discount
FROM order_items i JOIN products p ON p.id = i.product_id WHERE i.order_id = 41000;
SELECT DATE_FORMAT(o.ordered_at, '%Y-%m') AS month, SUM(p.amount) AS revenue
FROM customers c JOIN orders o ON o.customer_id = c.id JOIN payments p ON p.order_id = o.id
WHERE c.country = 'IE' GROUP BY month ORDER BY month;
SELECT name, city, country, registered FROM customers WHERE id = 8802;
SELECT coupon, COUNT(*) AS used FROM orders WHERE coupon IS NOT NULL GROUP BY coupon;
SELECT COUNT(*), SUM(amount), AVG(amount), MAX(amount) FROM payments WHERE method = 'wallet';
SELECT o.*, p.method, p.amount FROM orders o LEFT JOIN payments p ON p.order_id = o.id
WHERE o.id = 30001;
SELECT YEAR(born) DIV 10 * 10 AS decade, COUNT(*) AS customers FROM customers GROUP BY decade;
SELECT COUNT(*) FROM payments;
SELECT SUM(quantity * price * (1 - COALESCE(discount, 0))) AS total FROM order_items WHERE order_id = 40342;
SELECT sku, name, price FROM products WHERE price BETWEEN 10 AND 12 ORDER BY price;
SELECT p.name, COUNT(*) AS orders FROM order_items i JOIN products p ON p.id = i.product_id
WHERE i.order_id BETWEEN 6169 AND 11169 GROUP BY p.id ORDER BY orders DESC LIMIT 5;
SELECT p.name, COUNT(*) AS orders FROM order_items i JOIN products p ON p.id = i.product_id
WHERE i.order_id BETWEEN 29972 AND 34972 GROUP BY p.id ORDER BY orders DESC LIMIT 5;
SELECT * FROM products WHERE sku = 'SKU001500';
SELECT child.name, COUNT(*) AS items, SUM(i.quantity * i.price) AS turnover
FROM categories parent JOIN categories child ON child.parent_id = parent.id
JOIN products p ON p.category_id = child.id JOIN order_items i ON i.product_id = p.id
WHERE parent.name = 'Outdoor' GROUP BY child.id ORDER BY turnover DESC;
SELECT DATE_FORMAT(o.ordered_at, '%Y-%m') AS month, SUM(p.amount) AS revenue
FROM customers c JOIN orders o ON o.customer_id = c.id JOIN payments p ON p.order_id = o.id
WHERE c.country = 'JP' GROUP BY month ORDER BY month;
SELECT p.name, SUM(i.quantity) AS sold FROM order_items i
JOIN orders o ON o.id = i.order_id JOIN products p ON p.id = i.product_id
WHERE o.ordered_at >= '2022-10-01' AND o.ordered_at < '2023-01-01'
GROUP BY p.id ORDER BY sold DESC LIMIT 10;
SELECT a.product_id, b.product_id AS bought_with, COUNT(*) AS times FROM order_items a
JOIN order_items b ON b.order_id = a.order_id AND b.product_id > a.product_id
WHERE a.product_id <= 60 GROUP BY 1, 2 ORDER BY times DESC LIMIT 20;
SELECT sku, name, price, stock FROM products WHERE id = 640;
SELECT sku, name, price FROM products WHERE price BETWEEN 300 AND 402 ORDER BY price;
SELECT id, customer_id, status, shipping FROM orders
WHERE ordered_at >= '2022-02-14' AND ordered_at < '2022-02-14' + INTERVAL 1 DAY;
SELECT name, city, country, registered FROM customers WHERE id = 17;
SELECT c.name, c.country, o.id, o.status FROM orders o JOIN customers c ON c.id = o.customer_id
WHERE o.id BETWEEN 984 AND 1184;
SELECT name, city, country, registered FROM customers WHERE id = 11999;
SELECT c.name, c.country, o.id, o.status FROM orders o JOIN customers c ON c.id = o.customer_id
WHERE o.id BETWEEN 16646 AND 16696;
SELECT p.name, SUM(i.quantity) AS sold FROM order_items i
JOIN orders o ON o.id = i.order_id JOIN products p ON p.id = i.product_id
WHERE o.ordered_at >= '2024-10-01' AND o.ordered_at < '2025-01-01'
GROUP BY p.id ORDER BY sold DESC LIMIT 10;
SELECT MONTH(ordered_at) AS month, COUNT(*) AS orders FROM orders
WHERE ordered_at >= '2022-01-01' AND ordered_at < '2023-01-01' GROUP BY month ORDER BY month;
SELECT SUM(quantity * price * (1 - COALESCE(discount, 0))) AS total FROM order_items WHERE order_id = 5570;
SELECT DATE_FORMAT(o.ordered_at, '%Y-%m') AS month, SUM(p.amount) AS revenue
FROM customers c JOIN orders o ON o.customer_id = c.id JOIN payments p ON p.order_id = o.id
WHERE c.country = 'GR' GROUP BY month ORDER BY month;
SELECT i.line, p.name, i.quantity, i.price, i.discount
FROM order_items i JOIN products p ON p.id = i.product_id WHERE i.order_id = 5000;
SELECT * FROM products WHERE sku = 'SKU000999';
SELECT id, name FROM customers WHERE email LIKE 'customer777@%';
SELECT status, COUNT(*) AS orders, SUM(shipping) AS shipping FROM orders
WHERE ordered_at >= '2024-01-01' AND ordered_at < '2025-01-01' GROUP BY status;
SELECT customer_id, AVG(gap) AS days FROM (SELECT customer_id, DATEDIFF(ordered_at,
  LAG(ordered_at) OVER (PARTITION BY customer_id ORDER BY ordered_at)) AS gap FROM orders) gaps
GROUP BY customer_id HAVING COUNT(gap) >= 10 ORDER BY days LIMIT 20;
SELECT id, name, stock FROM products WHERE stock = 0 ORDER BY id;
SELECT COUNT(*), AVG(stars) FROM reviews WHERE product_id = 1342;
